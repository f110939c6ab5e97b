// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cache/cache_reader.hpp"
#include "database/database.hpp"

namespace headgate {

/// What the changes feeds of one database read. Confined to the database's executor. Must outlive
/// the feeds.
class ChangesSource {
 public:
  virtual ~ChangesSource() = default;

  virtual Environment& environment() = 0;
  virtual CacheReader& cache_reader() = 0;
  virtual const CacheSettings& settings() = 0;
  /// Of feeds whose request does not say otherwise.
  virtual ReadMode default_mode() = 0;
  /// How documents out of the reader's reach are shown.
  virtual Removals removals() { return Removals::empty; }
  /// As DocumentReader::load().
  virtual Task<Result<std::vector<std::optional<DocumentEnvelope>>>> load_envelopes(
      std::vector<DocId> ids) = 0;
  /// As PrincipalStore::load(). The empty name is the guest.
  virtual Task<Result<std::shared_ptr<const Principal>>> load_principal(std::string name,
                                                                        PassStart pass) = 0;
  /// The largest sequence that any node was handed out. Errors: as SequenceAllocator's.
  virtual Task<Result<Sequence>> read_highest() = 0;
  /// As DocumentReader::get_many().
  virtual Task<std::vector<Result<ShownRevision>>> load_documents(
      std::shared_ptr<const Principal> reader, std::vector<DocId> ids, ShowOptions show) = 0;
};

/// A running database as the source of its feeds. The database must outlive it.
class DatabaseChangesSource final : public ChangesSource {
 public:
  explicit DatabaseChangesSource(Database& database) : database_(database) {}

  Environment& environment() override { return database_.environment(); }
  CacheReader& cache_reader() override { return database_.cache_reader(); }
  const CacheSettings& settings() override { return database_.cache_space().settings; }
  ReadMode default_mode() override { return database_.config()->changes_mode; }
  Removals removals() override { return database_.config()->removals; }
  Task<Result<std::shared_ptr<const Principal>>> load_principal(std::string name,
                                                                PassStart pass) override {
    return database_.principals().load(std::move(name), std::move(pass));
  }
  Task<Result<std::vector<std::optional<DocumentEnvelope>>>> load_envelopes(
      std::vector<DocId> ids) override {
    return database_.documents().load(std::move(ids));
  }
  Task<Result<Sequence>> read_highest() override { return database_.read_highest(); }
  Task<std::vector<Result<ShownRevision>>> load_documents(std::shared_ptr<const Principal> reader,
                                                          std::vector<DocId> ids,
                                                          ShowOptions show) override {
    return database_.documents().get_many(std::move(reader), std::move(ids), std::move(show));
  }

 private:
  Database& database_;
};

}  // namespace headgate
