// src/adapters/http/testing/certificates.h
// Certificates made when a test runs, in a folder that goes with the object.
#pragma once

#include <string>

namespace hanse::http::testing {

struct IdentityFiles {
  std::string certificate_file;
  std::string key_file;
};

// An authority of its own, and what it signs.
class TestAuthority {
 public:
  TestAuthority();
  ~TestAuthority();
  TestAuthority(const TestAuthority&) = delete;
  TestAuthority& operator=(const TestAuthority&) = delete;

  [[nodiscard]] const std::string& ca_file() const { return ca_file_; }
  // For `names` as subject alternative names, in OpenSSL's words:
  // "DNS:grid.example,IP:127.0.0.1". Ends `days` from now, which may be past.
  IdentityFiles issue(const std::string& names, int days = 1);

 private:
  struct Keys;

  std::string folder_;
  std::string ca_file_;
  int issued_ = 0;
  Keys* keys_;
};

}  // namespace hanse::http::testing
