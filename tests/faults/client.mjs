// The official Node client, unmodified: asks what it is told to on standard
// input, a JSON object a line, and says on standard output what it heard. One
// process serves all tests, for most of what it costs is to begin.
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';

// It is installed where the other end-to-end tests want it.
const { default: OpenAI } = createRequire(new URL('../e2e/', import.meta.url))('openai');

const piecesOf = (choice) => {
  const delta = choice.delta ?? choice.message ?? { content: choice.text };
  const calls = (delta.tool_calls ?? []).map((call) => call.function?.arguments);
  return [delta.reasoning_content, delta.content, ...calls].filter(Boolean);
};

function take(heard, chunk) {
  if (chunk.usage) heard.usages.push(chunk.usage);
  for (const choice of chunk.choices ?? []) {
    const at = (heard.texts[choice.index] ??= []);
    at.push(...piecesOf(choice));
    if (choice.finish_reason) heard.finishes.push(choice.finish_reason);
  }
}

async function ask({ url, key, api, body, headers, leavesAfterTokens, timeoutMs }) {
  const heard = { texts: [], finishes: [], usages: [], error: null };
  const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0, timeout: timeoutMs });
  const endpoint = api === 'chat' ? client.chat.completions : client.completions;
  try {
    const answer = await endpoint.create(body, { headers });
    if (!body.stream) {
      take(heard, answer);
    } else {
      let tokens = 0;
      for await (const chunk of answer) {
        take(heard, chunk);
        tokens += (chunk.choices ?? []).flatMap(piecesOf).length;
        if (leavesAfterTokens !== null && tokens >= leavesAfterTokens) break;
      }
    }
  } catch (error) {
    heard.error = { name: error.constructor.name, status: error.status ?? null, code: error.code ?? null,
      message: String(error.message) };
  }
  heard.texts = Array.from(heard.texts, (pieces) => (pieces ?? []).join(''));
  return heard;
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const question = JSON.parse(line);
  const heard = await ask(question);
  process.stdout.write(`${JSON.stringify({ number: question.number, ...heard })}\n`);
});
