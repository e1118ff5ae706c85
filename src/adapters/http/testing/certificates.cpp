#include "adapters/http/testing/certificates.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>

#include "base/check.h"

namespace hanse::http::testing {

namespace {

constexpr long kDay = 24L * 60 * 60;

X509* make_certificate(EVP_PKEY* key, const std::string& name, long serial, int days) {
  X509* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), -10 * kDay);
  X509_gmtime_adj(X509_getm_notAfter(certificate), days * kDay);
  X509_set_pubkey(certificate, key);
  X509_NAME* subject = X509_get_subject_name(certificate);
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  return certificate;
}

void extend(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  HANSE_CHECK(extension != nullptr);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

void write_certificate(X509* certificate, const std::string& file) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  HANSE_CHECK(out != nullptr);
  PEM_write_X509(out, certificate);
  std::fclose(out);
}

void write_key(EVP_PKEY* key, const std::string& file) {
  std::FILE* out = std::fopen(file.c_str(), "w");
  HANSE_CHECK(out != nullptr);
  PEM_write_PrivateKey(out, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(out);
}

}  // namespace

struct TestAuthority::Keys {
  EVP_PKEY* key = nullptr;
  X509* certificate = nullptr;
};

TestAuthority::TestAuthority() : keys_(new Keys) {
  std::string pattern = (std::filesystem::temp_directory_path() / "hanse-tls-XXXXXX").string();
  HANSE_CHECK(mkdtemp(pattern.data()) != nullptr);
  folder_ = pattern;
  keys_->key = EVP_EC_gen("P-256");
  keys_->certificate = make_certificate(keys_->key, "Test Authority", 1, 1);
  X509_set_issuer_name(keys_->certificate, X509_get_subject_name(keys_->certificate));
  extend(keys_->certificate, keys_->certificate, NID_basic_constraints, "critical,CA:TRUE");
  extend(keys_->certificate, keys_->certificate, NID_subject_key_identifier, "hash");
  X509_sign(keys_->certificate, keys_->key, EVP_sha256());
  ca_file_ = folder_ + "/ca.pem";
  write_certificate(keys_->certificate, ca_file_);
}

TestAuthority::~TestAuthority() {
  X509_free(keys_->certificate);
  EVP_PKEY_free(keys_->key);
  delete keys_;
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

IdentityFiles TestAuthority::issue(const std::string& names, int days) {
  const std::string stem = folder_ + "/issued-" + std::to_string(++issued_);
  IdentityFiles files{.certificate_file = stem + ".pem", .key_file = stem + ".key"};
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = make_certificate(key, "Issued", 1 + issued_, days);
  X509_set_issuer_name(certificate, X509_get_subject_name(keys_->certificate));
  extend(certificate, keys_->certificate, NID_subject_alt_name, names);
  X509_sign(certificate, keys_->key, EVP_sha256());
  write_certificate(certificate, files.certificate_file);
  write_key(key, files.key_file);
  X509_free(certificate);
  EVP_PKEY_free(key);
  return files;
}

}  // namespace hanse::http::testing
