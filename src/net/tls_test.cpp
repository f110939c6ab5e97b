// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <memory>

#include "net/test_server.hpp"

namespace headgate {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::StartsWith;

/// A key with a certificate of its own, in files.
class SelfSigned {
 public:
  SelfSigned() : key_(EVP_RSA_gen(2048), EVP_PKEY_free), certificate_(X509_new(), X509_free) {
    X509_set_version(certificate_.get(), 2);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate_.get()), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate_.get()), 0);
    X509_gmtime_adj(X509_getm_notAfter(certificate_.get()), 3'600);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate_.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>("localhost"), -1, -1, 0);
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    X509_set_pubkey(certificate_.get(), key_.get());
    X509_sign(certificate_.get(), key_.get(), EVP_sha256());
    write(certificate_file(), [&](FILE* file) { PEM_write_X509(file, certificate_.get()); });
    write(key_file(), [&](FILE* file) {
      PEM_write_PrivateKey(file, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
    });
  }
  ~SelfSigned() {
    std::filesystem::remove(certificate_file());
    std::filesystem::remove(key_file());
  }
  std::string certificate_file() const { return prefix_ + ".crt"; }
  std::string key_file() const { return prefix_ + ".key"; }
  std::shared_ptr<const TlsContext> context() const {
    return TlsContext::load(certificate_file(), key_file()).value();
  }

 private:
  template <class Write>
  static void write(const std::string& path, Write&& to) {
    FILE* file = std::fopen(path.c_str(), "w");
    to(file);
    std::fclose(file);
  }
  std::string prefix_ = testing::TempDir() + "headgate_tls_" + std::to_string(::getpid());
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> key_;
  std::unique_ptr<X509, void (*)(X509*)> certificate_;
};

/// A blocking client that speaks TLS.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int max_version = 0)
      : context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free) {
    if (max_version != 0) SSL_CTX_set_max_proto_version(context_.get(), max_version);
    bio_ = BIO_new_ssl_connect(context_.get());
    BIO_set_conn_hostname(bio_, ("127.0.0.1:" + std::to_string(port)).c_str());
    is_connected_ = BIO_do_connect(bio_) == 1 && BIO_do_handshake(bio_) == 1;
  }
  ~TlsClient() { BIO_free_all(bio_); }

  bool is_connected() const { return is_connected_; }
  void send(std::string_view text) { BIO_write(bio_, text.data(), static_cast<int>(text.size())); }
  std::string read_until(std::string_view end) {
    char buffer[4'096];
    while (received_.find(end) == std::string::npos) {
      const int count = BIO_read(bio_, buffer, sizeof buffer);
      if (count <= 0) break;
      received_.append(buffer, static_cast<std::size_t>(count));
    }
    return received_;
  }
  void take() { received_.clear(); }

 private:
  std::unique_ptr<SSL_CTX, void (*)(SSL_CTX*)> context_;
  BIO* bio_ = nullptr;
  bool is_connected_ = false;
  std::string received_;
};

class TlsServer : public testing::Test {
 protected:
  SelfSigned files_;
  TestServer server_{{.tls = files_.context()}};
};

TEST_F(TlsServer, RequestsAndAnswersAreEncrypted) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_.port(), version);
    ASSERT_TRUE(client.is_connected());
    for (int i = 0; i < 3; ++i) {
      client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nabcde");
      EXPECT_THAT(client.read_until("abcde"), StartsWith("HTTP/1.1 200 OK"));
      client.take();
    }
  }
}

TEST_F(TlsServer, LargeBodiesPassInBothDirections) {
  TlsClient client(server_.port());
  const std::string body = std::string(3'000'000, 'x') + "end";
  std::thread sender([&] {
    client.send("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
                "\r\n\r\n" + body);
  });
  sender.join();
  const std::string reply = client.read_until("end");
  EXPECT_THAT(reply, HasSubstr("Content-Length: 3000003\r\n"));
  EXPECT_TRUE(reply.ends_with(body));
}

TEST_F(TlsServer, StreamsAndPipelinedRequestsWork) {
  TlsClient client(server_.port());
  // One record: what is left of it after the first request is announced by no socket.
  client.send("GET /stream HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(client.read_until("hello"), HasSubstr("shared\n"));
}

TEST_F(TlsServer, TheEndIsSaidAndNoticed) {
  TlsClient client(server_.port());
  client.send("GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_THAT(client.read_until("never comes"), EndsWith("hello"));
  auto waiting = std::make_unique<TlsClient>(server_.port());
  waiting->send("GET /park HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(eventually([&] { return server_.handler().parked == 1; }));
  waiting.reset();
  EXPECT_TRUE(eventually([&] { return server_.handler().parked == 0; }));
}

TEST_F(TlsServer, WhatIsNoTlsIsClosed) {
  RawClient plain(server_.port());
  plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(plain.read_to_end(), testing::Not(HasSubstr("HTTP/1.1 200")));
  EXPECT_FALSE(TlsClient(server_.port(), TLS1_1_VERSION).is_connected());
  EXPECT_TRUE(eventually([&] { return server_.stats().connections == 0; }));
  EXPECT_EQ(server_.handler().handled, 0);
}

TEST(TlsContextFiles, AreChecked) {
  const SelfSigned good;
  EXPECT_TRUE(TlsContext::load(good.certificate_file(), good.key_file()));
  for (const auto& [certificate, key] : {std::pair(std::string("/nowhere"), good.key_file()),
                                         {good.certificate_file(), "/nowhere"},
                                         {good.key_file(), good.key_file()},
                                         {good.certificate_file(), good.certificate_file()}}) {
    const auto bad = TlsContext::load(certificate, key);
    ASSERT_FALSE(bad) << certificate;
    EXPECT_EQ(bad.error().code, Errc::invalid_argument);
  }
}

}  // namespace
}  // namespace headgate
