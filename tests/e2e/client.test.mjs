// The official Node client, unmodified, against a gateway in front of real
// engines. Started by test_node.py, which says where the gateway is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import OpenAI from 'openai';

const { HANSE_URL: baseURL, HANSE_KEY: apiKey, HANSE_EMPTY_KEY: emptyKey } = process.env;
// A retry would hide a failure that a test is there to see.
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0, timeout: 60_000 });
const model = 'smollm2';
const sayHi = [{ role: 'user', content: 'Say hi.' }];
const story = [{ role: 'user', content: 'Write a long story about the sea.' }];

const weather = (city, said, id) => [
  { role: 'user', content: `What is the weather in ${city}?` },
  {
    role: 'assistant',
    content: '',
    tool_calls: [{ id, type: 'function', function: { name: 'get_weather', arguments: JSON.stringify({ city }) } }],
  },
  { role: 'tool', tool_call_id: id, content: said },
  { role: 'assistant', content: `It is ${said} in ${city}.` },
];
const tool = (name, argument) => ({
  type: 'function',
  function: {
    name,
    description: name,
    parameters: { type: 'object', properties: { [argument]: { type: 'string' } }, required: [argument] },
  },
});
// So small a model calls a tool only after it has seen how, and with a push
// towards the five tokens of the marker.
const toolQuestion = {
  model,
  messages: [
    ...weather('Rome', '24 C, sunny', 'call_1'),
    ...weather('Oslo', '3 C, snow', 'call_2'),
    { role: 'user', content: 'What is the weather in Paris?' },
  ],
  tools: [tool('get_weather', 'city'), tool('get_time', 'zone')],
  logit_bias: { 44: 4, 19324: 4, 79: 4, 4350: 4, 46: 4 },
  max_tokens: 60,
  temperature: 0,
};

test('a whole answer', async () => {
  const { data, response } = await client.chat.completions
    .create({ model, messages: sayHi, max_tokens: 8 })
    .withResponse();
  assert.ok(data.choices[0].message.content);
  assert.equal(data.model, model);
  assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
  assert.ok(response.headers.get('hanse-site'));
  assert.equal(data._request_id, response.headers.get('x-request-id'));
});

test('a stream, with its usage last', async () => {
  const stream = await client.chat.completions.create({
    model, messages: sayHi, max_tokens: 8, stream: true, stream_options: { include_usage: true },
  });
  const chunks = [];
  for await (const chunk of stream) chunks.push(chunk);
  const last = chunks.pop();
  assert.deepEqual(last.choices, []);
  assert.ok(last.usage.completion_tokens > 0);
  assert.equal(chunks[0].choices[0].delta.role, 'assistant');
  assert.ok(chunks.map((chunk) => chunk.choices[0].delta.content ?? '').join(''));
  assert.equal(chunks.filter((chunk) => chunk.choices[0].finish_reason).length, 1);
});

test('the streaming helper puts the answer together', async () => {
  const runner = client.chat.completions.stream({ model, messages: sayHi, max_tokens: 8 });
  const answer = await runner.finalChatCompletion();
  assert.ok(answer.choices[0].message.content);
});

test('a tool call, whole and streamed', async () => {
  const answer = await client.chat.completions.create(toolQuestion);
  assert.equal(answer.choices[0].finish_reason, 'tool_calls');
  assert.equal(answer.choices[0].message.tool_calls[0].function.name, 'get_weather');

  const runner = client.chat.completions.stream(toolQuestion);
  const message = await runner.finalMessage();
  assert.equal(message.tool_calls[0].function.name, 'get_weather');
  assert.ok('city' in JSON.parse(message.tool_calls[0].function.arguments));
});

test('models', async () => {
  const ids = [];
  for await (const one of client.models.list()) ids.push(one.id);
  assert.deepEqual(ids, [model]);
  assert.equal((await client.models.retrieve(model)).id, model);
});

test('errors are of the right class', async () => {
  const wrongKey = new OpenAI({ baseURL, apiKey: 'hk-wrong', maxRetries: 0 });
  await assert.rejects(wrongKey.models.list(), OpenAI.AuthenticationError);
  await assert.rejects(
    client.chat.completions.create({ model: 'smolm2', messages: sayHi }),
    (error) => error instanceof OpenAI.NotFoundError && error.code === 'model_not_found' && error.message.includes(model),
  );
  const long = [{ role: 'user', content: 'word '.repeat(3000) }];
  await assert.rejects(
    client.chat.completions.create({ model, messages: long }),
    (error) => error instanceof OpenAI.BadRequestError && error.code === 'context_length_exceeded',
  );
});

test('an empty budget is not tried again', async () => {
  const requests = [];
  const poor = new OpenAI({
    baseURL, apiKey: emptyKey, maxRetries: 5,
    fetch: (...args) => { requests.push(args); return fetch(...args); },
  });
  await assert.rejects(
    poor.chat.completions.create({ model, messages: sayHi }),
    (error) => error instanceof OpenAI.RateLimitError && error.code === 'insufficient_quota',
  );
  assert.equal(requests.length, 1);
});

test('a time-out is the client\'s own error', async () => {
  await assert.rejects(
    client.chat.completions.create({ model, messages: story, max_tokens: 900, ignore_eos: true }, { timeout: 300 }),
    OpenAI.APIConnectionTimeoutError,
  );
});

test('a stream can be cancelled', async () => {
  const stream = await client.chat.completions.create({
    model, messages: story, max_tokens: 900, ignore_eos: true, stream: true,
  });
  let seen = 0;
  for await (const chunk of stream) {
    if (chunk && ++seen === 3) break;
  }
  assert.equal(seen, 3);
  assert.ok(stream.controller.signal.aborted);
});

test('many requests at once', async () => {
  const answers = await Promise.all(
    Array.from({ length: 12 }, () => client.chat.completions.create({ model, messages: sayHi, max_tokens: 4 })),
  );
  assert.ok(answers.every((answer) => answer.choices[0].message.content));
  assert.equal(new Set(answers.map((answer) => answer.id)).size, 12);
});
