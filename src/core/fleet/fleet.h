// src/core/fleet/fleet.h
// Who can serve it: suppliers and who controls them, sites, offers and links.
//
// Part of a snapshot: built once by the configuration, never changed after.
// What changes by the second (health, load) lives in the modules that use it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/id.h"
#include "base/money.h"
#include "base/table.h"
#include "base/time.h"
#include "base/usage.h"
#include "core/catalog/catalog.h"
#include "core/fleet/country.h"

namespace hanse::fleet {

// A holder that controls a legal entity, and by what.
struct Parent {
  SupplierId holder;
  std::int32_t share_ppm = 0;  // of capital or votes, millionths; 0 when control has another basis
  std::string basis;           // "shares", "votes", "veto", "contract", "board"
};

// A legal entity: one that offers compute, or one that controls such.
struct Supplier {
  std::string name;
  std::string title;            // its full name, for people
  std::optional<Code> home;     // where it is incorporated; nothing = not known
  std::vector<Parent> parents;  // all that control it
  bool parents_known = true;    // false: the configuration says that they are not known
  bool offers_compute = true;   // false for an owner that only holds others
};

struct Certificate {
  std::string name;  // "C5", "ISO-27001", "HDS"
  std::optional<WallTime> valid_from;
  // The first instant at which it holds no more; nothing = not known, which a
  // rule takes as expired.
  std::optional<WallTime> valid_to;
};

// How a site's engine is reached. Plain facts; adapters make sense of them.
struct Engine {
  std::string kind;  // "llama.cpp", "openai"
  // It goes on from a last message of the assistant; a fact of its kind.
  bool continues_chat = false;
  // It is asked for a stream, also when the client wants a whole answer; likewise.
  bool streams_always = false;
  std::string url;              // http(s)://host[:port][/prefix]
  std::string credential_file;  // one of these two, or neither
  std::string credential_env;
  std::string ca_file;  // empty: the system's roots
  std::string client_certificate_file;
  std::string client_key_file;
};

struct Site {
  std::string name;
  SupplierId supplier;
  std::optional<Code> place;  // the country the machines stand in
  ChipId chip;
  std::int32_t slots = 1;  // requests the engine works on at the same time
  std::vector<Certificate> certificates;
  Engine engine;
  bool retired = false;  // kept for its id, never chosen
};

// What a site promises for one variant; measured values correct it.
struct SpeedProfile {
  Duration first_token;                        // fixed part of the time to first token
  std::int64_t prefill_tokens_per_second = 1;  // positive
  std::int64_t decode_tokens_per_second = 1;   // of one sequence alone; positive
  // Of each sequence when all slots are busy; 0 = not known, taken as half.
  std::int64_t decode_tokens_per_second_full = 0;
};

// One variant at one site at a price.
struct Offer {
  std::string name;  // "<site>/<model>/<variant>", unique
  SiteId site;
  VariantId variant;
  std::string upstream_model;    // what the engine calls it
  std::string reply_model = {};  // how its answers must name it; empty: however
  TokenPrices prices;            // owed to the supplier
  SpeedProfile profile;
};

// From the gateway to a site.
struct Link {
  Duration round_trip;
  std::int64_t bits_per_second = 1'000'000'000;  // positive
};

// One reason why a legal system reaches a site.
struct Reach {
  enum class Basis : std::uint8_t { place, home, parent };

  Code system;
  Basis basis = Basis::place;
  // The place or home that brings it; another code than `system` where the
  // system is the Union's or that of a territory's sovereign.
  Code through;
  // The entity whose home it is, for home and parent.
  SupplierId entity;
  // From the operator's holder up to `entity`, for parent.
  std::vector<SupplierId> chain;
};

// A fact that is missing, so that more systems may reach the site than are
// listed.
struct Gap {
  enum class Fact : std::uint8_t { place, home, parents };

  Fact fact = Fact::place;
  SupplierId entity;  // whose home or parents

  bool operator==(const Gap&) const = default;
};

struct ReachSet {
  std::vector<Reach> reaches;  // all reasons, in rising order of chain length
  std::vector<Gap> gaps;

  [[nodiscard]] bool complete() const { return gaps.empty(); }
};

struct Fleet {
  Table<SupplierId, Supplier> suppliers;
  Table<SiteId, Site> sites;
  Table<OfferId, Offer> offers;
  std::vector<Link> links;  // indexed by SiteId
};

// Every legal system that reaches `site`: by the place of its machines, its
// operator's home, and the home of everyone who controls the operator, however
// far up. A member state's system brings the Union's; a territory's brings that
// of its sovereign and, if that is a member state, the Union's too: some
// territories stand outside it, but a system too many refuses where one too few
// permits. An entity that controls by several chains is listed with the
// shortest; a ring of owners ends where it closes.
ReachSet reach_of(const Fleet& fleet, SiteId site);

// One sentence for a record: "US reaches it: Atlantic Cloud, Inc. (home US)
// controls Atlantic Cloud Germany GmbH by shares, 100 %".
std::string describe(const Fleet& fleet, SiteId site, const Reach& reach);
std::string describe(const Fleet& fleet, SiteId site, const Gap& gap);

// "Atlantic Cloud, Inc.", or the id where the full name is not given.
std::string_view title_of(const Fleet& fleet, SupplierId supplier);

}  // namespace hanse::fleet
