#include "adapters/engines/response_decoder.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "adapters/engines/retry_after.h"
#include "adapters/engines/whole_to_event.h"
#include "base/ascii.h"
#include "base/check.h"

namespace hanse::engines {
namespace {

using answer::Delta;
using answer::Failure;
using answer::FailureReport;

// An object of several choices is read once for each. A site that makes it long
// and its choices many may not keep the loop from its other work.
constexpr std::size_t kRereadBytesMax = std::size_t{32} << 20U;

enum class Media : std::uint8_t { events, json, page, unknown };

bool ends_like(std::string_view type, std::string_view ending) {
  return type.size() >= ending.size() &&
         equal_but_for_case(type.substr(type.size() - ending.size()), ending);
}

Media media_of(std::string_view content_type) {
  const std::string_view type = trimmed(content_type.substr(0, content_type.find(';')));
  if (equal_but_for_case(type, "text/event-stream")) return Media::events;
  if (equal_but_for_case(type, "application/json") || ends_like(type, "+json")) return Media::json;
  if (equal_but_for_case(type, "text/html") || equal_but_for_case(type, "application/xhtml+xml"))
    return Media::page;
  return Media::unknown;
}

std::uint32_t fingerprint(std::string_view text) {
  return static_cast<std::uint32_t>(std::hash<std::string_view>{}(text));
}

// Line ends are only blanks between JSON's tokens, but would end a field of the
// client's event.
void blank_line_ends(std::string& json) {
  for (char& c : json) {
    if (c == '\n' || c == '\r') c = ' ';
  }
}

}  // namespace

ResponseDecoder::ResponseDecoder(const Engine& engine, const DecoderOptions& options)
    : engine_(&engine), options_(&options), splitter_(options.limits.event_bytes_max) {}

void ResponseDecoder::begin(const ReplyHead& head) {
  status_ = head.status;
  retry_after_ = read_retry_after(head.retry_after, head.now);
  if (status_ >= 400) {
    mode_ = Mode::error_body;
    return;
  }
  if (status_ < 200 || status_ > 299) {
    fail_with(Failure::bad_answer, fmt::format("status {} to a question", status_));
    return;
  }
  switch (media_of(head.content_type)) {
    case Media::events: mode_ = Mode::events; return;
    case Media::json: mode_ = Mode::whole; return;
    case Media::page: fail_with(Failure::bad_answer, "an HTML page instead of an answer"); return;
    case Media::unknown: mode_ = Mode::sniff; return;
  }
}

void ResponseDecoder::feed(std::string_view bytes) {
  HANSE_CHECK(input_.empty() && !body_over_);
  input_ = bytes;
}

void ResponseDecoder::feed_end(BodyEnd how) {
  body_over_ = true;
  how_ended_ = how;
}

Step ResponseDecoder::next(Delta& delta) {
  const Step step = next_by_mode(delta);
  // Whatever is not kept by now will not be asked for again.
  if (step == Step::more || mode_ == Mode::over) input_ = {};
  return step;
}

Step ResponseDecoder::next_by_mode(Delta& delta) {
  if (choices_given_ < choices_in_object_) return next_choice(delta);
  if (mode_ == Mode::sniff) {
    if (const auto step = sniff()) return *step;
  }
  switch (mode_) {
    case Mode::events: return next_event(delta);
    case Mode::whole: return take_whole(delta);
    case Mode::lines_of_whole: return take_line_of_whole(delta);
    case Mode::error_body: return take_error_body();
    default: return final_;
  }
}

// Without a content type to go by, the first bytes tell.
std::optional<Step> ResponseDecoder::sniff() {
  const std::string_view begin = trimmed(input_, kBlanksAndLineEnds);
  if (begin.empty()) {
    if (!body_over_) return Step::more;
    return fail_with(how_ended_ == BodyEnd::cut ? Failure::reset : Failure::bad_answer,
                     "the body is empty");
  }
  if (begin.front() == '<') return fail_with(Failure::bad_answer, "a page instead of an answer");
  mode_ = begin.front() == '{' || begin.front() == '[' ? Mode::whole : Mode::events;
  return std::nullopt;
}

Step ResponseDecoder::next_event(Delta& delta) {
  for (;;) {
    SseEvent event;
    auto found = splitter_.next(input_, event);
    if (found == SseSplitter::Found::more && body_over_) {
      found = splitter_.finish(event);
      // Half an event is no event, but a forgotten last line end is forgiven.
      const bool said_done =
          found == SseSplitter::Found::event && trimmed(event.data, kBlanksAndLineEnds) == "[DONE]";
      return said_done ? finish_with(Step::done) : next_of_events_end();
    }
    if (found == SseSplitter::Found::more) return Step::more;
    if (found == SseSplitter::Found::oversize) {
      return fail_with(Failure::oversize, "an event past the bound");
    }
    if (is_repeated(event)) continue;
    std::string_view data = trimmed(event.data, kBlanksAndLineEnds);
    if (data.empty()) continue;
    if (event.has_line_feeds) {
      kept_.assign(data);
      blank_line_ends(kept_);
      data = kept_;
    }
    if (data == "[DONE]") return finish_with(Step::done);
    const bool is_error = equal_but_for_case(event.name, "error");
    const Step step = is_error ? take_error_event(data) : take_event(data, delta);
    if (step != Step::more) return step;
  }
}

Step ResponseDecoder::take_error_event(std::string_view data) {
  ErrorWords words;
  if (!read_error_body(data, words)) words.message = "an error event without words";
  return fail_by_words(words);
}

Step ResponseDecoder::next_of_events_end() {
  if (delivered_) return finish_with(Step::ended);
  return how_ended_ == BodyEnd::cut
             ? fail_with(Failure::reset, "cut before the first event")
             : fail_with(Failure::bad_answer, "the stream ended before its first event");
}

bool ResponseDecoder::is_repeated(const SseEvent& event) {
  if (event.id.empty() || ids_name_nothing_) return false;
  const Named named{fingerprint(event.id), fingerprint(event.data)};
  if (recent_ == nullptr) recent_ = std::make_unique<std::array<Named, kNamedMax>>();
  for (std::size_t i = 0; i < std::min(recent_next_, kNamedMax); ++i) {
    const Named& before = (*recent_)[i];
    if (before.id != named.id) continue;
    // One id for other data: then equal data, too, are just said twice.
    ids_name_nothing_ = before.data != named.data;
    return !ids_name_nothing_;
  }
  (*recent_)[recent_next_++ % kNamedMax] = named;
  return false;
}

// Answers `more` for an event that says nothing.
Step ResponseDecoder::take_event(std::string_view json, Delta& delta) {
  ErrorWords words;
  const ReplyFound found =
      read_reply(json, {*engine_, options_->dialect, ReplyShape::event, 0}, delta, words);
  switch (found.kind) {
    case ReplyKind::answer: break;
    case ReplyKind::nothing:
      if (!read_error_in_stream(json, words)) return Step::more;
      return fail_by_words(words);
    case ReplyKind::error: return fail_by_words(words);
    case ReplyKind::malformed:
      return fail_with(Failure::bad_answer, fmt::format("a malformed event: {}", found.why));
  }
  return give(json, found.choices, delta);
}

Step ResponseDecoder::give(std::string_view object, std::uint32_t choices, Delta& delta) {
  if (std::size_t{choices} * object.size() > kRereadBytesMax) {
    return fail_with(Failure::oversize, "too many choices in too long an object");
  }
  attribute_usage(delta);
  delivered_ = true;
  object_ = object;
  choices_in_object_ = choices;
  choices_given_ = 1;
  return Step::delta;
}

// A report without a choice belongs to the choice that spoke before it; of a
// whole reply, to its first.
void ResponseDecoder::attribute_usage(Delta& delta) {
  if (delta.has_choice && mode_ != Mode::lines_of_whole) choice_last_ = delta.choice;
  if (delta.usage && engine_->capabilities().reports_usage_per_choice) {
    delta.usage_of_choice = choice_last_;
  }
}

// The next choice of an object that has several; it was valid a moment ago.
Step ResponseDecoder::next_choice(Delta& delta) {
  ErrorWords words;
  const ReplyShape shape = whole_ ? ReplyShape::whole : ReplyShape::event;
  const ReplyFound found =
      read_reply(object_, {*engine_, options_->dialect, shape, choices_given_}, delta, words);
  if (found.kind == ReplyKind::error) return fail_by_words(words);
  if (found.kind != ReplyKind::answer) return fail_with(Failure::bad_answer, "a malformed choice");
  ++choices_given_;
  return Step::delta;
}

bool ResponseDecoder::keep_input(std::size_t most) {
  if (input_.size() > most - std::min(kept_.size(), most)) return false;
  kept_.append(input_);
  input_ = {};
  return true;
}

Step ResponseDecoder::take_whole(Delta& delta) {
  if (whole_) return finish_with(Step::done);
  if (!keep_input(options_->limits.reply_bytes_max)) {
    return fail_with(Failure::oversize, "a reply past the bound");
  }
  if (!body_over_) return Step::more;
  if (how_ended_ == BodyEnd::cut) return fail_with(Failure::reset, "cut in a whole reply");
  const std::string_view json = trimmed(kept_, kBlanksAndLineEnds);
  if (json.empty()) return fail_with(Failure::bad_answer, "the body is empty");

  ErrorWords words;
  const ReplyFound found =
      read_reply(json, {*engine_, options_->dialect, ReplyShape::whole, 0}, delta, words);
  if (found.kind == ReplyKind::error) return fail_by_words(words);
  if (found.kind == ReplyKind::nothing && read_error_body(json, words)) {
    return fail_by_words(words);
  }
  if (found.kind != ReplyKind::answer || found.choices == 0) {
    return fail_with(Failure::bad_answer,
                     fmt::format("a malformed reply: {}",
                                 found.why.empty() ? "it holds no choices" : found.why));
  }
  if (delta.finish == answer::Finish::none || !others_finish(json, found.choices)) {
    return fail_with(Failure::bad_answer, "a reply without a finish reason");
  }
  if (options_->whole_replies == WholeReplies::into_events) {
    blank_line_ends(kept_);
    kept_ = events_of_whole(trimmed(kept_, kBlanksAndLineEnds), options_->dialect);
    input_ = kept_;
    mode_ = Mode::lines_of_whole;
    return take_line_of_whole(delta);
  }
  whole_ = std::make_unique<Delta>(delta);
  return give(json, found.choices, delta);
}

// A reply in one piece that leaves a choice open is cut off, however well it is
// formed. Of the first it is known.
bool ResponseDecoder::others_finish(std::string_view reply, std::uint32_t choices) const {
  if (std::size_t{choices} * reply.size() > kRereadBytesMax) return true;  // refused by give()
  Delta delta;
  ErrorWords words;
  for (std::uint32_t i = 1; i < choices; ++i) {
    read_reply(reply, {*engine_, options_->dialect, ReplyShape::whole, i}, delta, words);
    if (delta.finish == answer::Finish::none) return false;
  }
  return true;
}

Step ResponseDecoder::take_line_of_whole(Delta& delta) {
  while (!input_.empty()) {
    const std::size_t end = input_.find('\n');
    const std::string_view line = input_.substr(0, end);
    input_.remove_prefix(end + 1);
    const Step step = take_event(line, delta);
    if (step != Step::more) return step;
  }
  return finish_with(Step::done);
}

Step ResponseDecoder::take_error_body() {
  const std::size_t most = options_->limits.error_bytes_max;
  if (input_.size() > most - kept_.size()) {
    input_ = input_.substr(0, most - kept_.size());
    body_over_ = true;
  }
  keep_input(most);
  if (!body_over_) return Step::more;

  ErrorWords words;
  if (!read_error_body(trimmed(kept_, kBlanksAndLineEnds), words)) words = {};
  return fail_by_words(words);
}

Step ResponseDecoder::finish_with(Step step) {
  mode_ = Mode::over;
  final_ = step;
  return step;
}

Step ResponseDecoder::fail_with(FailureReport report) {
  if (!report.retry_after) report.retry_after = retry_after_;
  report.http_status = status_ >= 200 && status_ <= 299 ? 0 : status_;
  failure_ = std::make_unique<FailureReport>(std::move(report));
  choices_in_object_ = 0;
  return finish_with(Step::failed);
}

Step ResponseDecoder::fail_with(Failure failure, std::string_view why) {
  FailureReport report;
  report.failure = failure;
  report.site_message = why;
  return fail_with(std::move(report));
}

Step ResponseDecoder::fail_by_words(const ErrorWords& words) {
  FailureReport report = engine_->classify(words.at(status_));
  if (report.site_message.empty()) {
    report.site_message =
        fmt::format("an error without a message: type \"{}\", code \"{}\"", words.type, words.code);
  }
  // Once the answer has begun, it matters only that it is broken.
  if (delivered_) report.failure = Failure::error_event;
  return fail_with(std::move(report));
}

}  // namespace hanse::engines
