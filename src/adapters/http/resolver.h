// src/adapters/http/resolver.h
// Names to addresses, off the loop's thread, and again when they expire.
//
// The system's resolver blocks, sometimes for many seconds, and tells no time
// to live. So a few threads ask it, an answer is believed for `name_ttl`, and
// a name that cannot be looked up again keeps its old addresses for a while:
// a dead name server should not take down sites that are up.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "adapters/http/endpoint.h"
#include "base/result.h"
#include "base/time.h"

namespace hanse::http {

class Loop;

// Port zero; callers set their own.
using Addresses = std::vector<Endpoint>;

// Asks the system and blocks. Fails: unavailable with the system's reason.
Result<Addresses> ask_system_resolver(const std::string& host);

// Someone who waits for a name. Destroying it ends the wait.
class Lookup {
 public:
  virtual ~Lookup();

 protected:
  Lookup() = default;
  Lookup(const Lookup&) = delete;
  Lookup& operator=(const Lookup&) = delete;
  // `addresses` lives until the callback returns and is never empty.
  virtual void on_resolved(const Result<Addresses>& addresses) = 0;
  void stop_waiting();

 private:
  friend class Resolver;

  Lookup* next_ = nullptr;
  Lookup** previous_next_ = nullptr;
};

class Resolver {
 public:
  using Ask = std::function<Result<Addresses>(const std::string&)>;

  Resolver(Loop& loop, Duration ttl, Duration failure_ttl);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Replaces the system's resolver; called on other threads. For tests.
  void set_ask(Ask ask);

  // The addresses if they are known now: a literal address, or a fresh answer.
  const Addresses* known(std::string_view host);
  // Answers from the loop, never inside the call. Requires: `lookup` does not
  // wait already.
  void resolve(std::string_view host, Lookup& lookup);

 private:
  struct Name {
    Addresses addresses;
    Error error;
    MonotonicTime fresh_until;
    MonotonicTime usable_until;
    bool asked = false;
    bool failed = false;
    Lookup* waiting = nullptr;
  };
  struct Workers;

  void answered(const std::string& host, Result<Addresses> answer);

  Loop& loop_;
  Duration ttl_;
  Duration failure_ttl_;
  std::map<std::string, Name, std::less<>> names_;
  std::shared_ptr<Workers> workers_;
};

}  // namespace hanse::http
