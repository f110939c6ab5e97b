// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "base/result.hpp"
#include "base/signal.hpp"
#include "base/task.hpp"
#include "base/task_scope.hpp"
#include "cache/cache_writer.hpp"
#include "database/all_docs.hpp"
#include "database/base_repair.hpp"
#include "database/catalog.hpp"
#include "database/channel_tally.hpp"
#include "database/database_context.hpp"
#include "database/document_purger.hpp"
#include "database/document_reader.hpp"
#include "database/document_resync.hpp"
#include "database/document_writer.hpp"
#include "database/expiry_sweeper.hpp"
#include "database/local_documents.hpp"
#include "database/part_sweeper.hpp"
#include "database/principal_store.hpp"
#include "database/session_store.hpp"

namespace headgate {

/// One running database: owns its sequences, channel cache and stores, and runs its cache writer.
/// One object for each database of a process. In a cluster every node has one, and some of them are
/// candidates for the cache writer's role: see start_cache_writer(). Confined to its executor; the
/// environment, buckets and listener must outlive it. Whoever uses it must be done before stop().
class Database {
 public:
  struct Dependencies {
    Environment& environment;
    Bucket& base;
    Bucket& cache;  ///< may be the same as base
    ChangeListener& listener;
    Deployment deployment = Deployment::single_process;
    std::uint64_t horizon_chunk = 10'000;  ///< sequences by which the horizon is raised (R6)
  };

  Database(Dependencies dependencies, DatabaseEntry entry);
  ~Database();

  /// Compiles the sync function and opens the sequences; in a single process takes over the cache
  /// and publishes stable. Before it has succeeded nothing else may be called.
  /// Errors: invalid_argument (sync function), unavailable, corrupted, unsupported, no_space.
  Task<Result<void>> start();
  /// Publishes what was written, ends the background work, gives unused sequences back.
  Task<void> stop();

  /// Before DatabaseCatalog::update(): notes what a changed configuration takes the place of, so
  /// that a crash after it loses nothing. Harmless if no change follows. Errors: unavailable,
  /// no_space, overloaded, timeout_unknown_outcome.
  Task<Result<void>> prepare(DatabaseConfig config);
  /// Applies a changed configuration (DatabaseCatalog::update() has stored it): takes effect for
  /// every request that begins later. Errors: invalid_argument (block_format, block_capacity or
  /// star_channel differ, sync function), unavailable (the cache writer did not start again).
  Task<Result<void>> reconfigure(DatabaseConfig config);

  /// Ends and starts the cache writer alone; meanwhile writes go on and stable stands still. In a
  /// cluster starting takes the role over from whoever has it; one that was replaced itself
  /// (CacheWriter::Statistics::is_in_charge) may be started again. Calls do not overlap.
  Task<void> stop_cache_writer();
  Task<Result<void>> start_cache_writer();

  /// In a cluster: sees to it that this node has the cache writer's role, or has not; nothing
  /// happens if that is so. Calls, and reconfigure(), wait for each other.
  Task<Result<void>> hold_cache_writer(bool wanted);

  /// Has the cache writer compact the channel cache, if this node has its role: see
  /// CacheWriter::compact().
  void compact_cache() {
    if (cache_writer_) cache_writer_->compact();
  }

  const std::string& name() const { return name_; }
  DatabaseId id() const { return context_.id; }
  std::shared_ptr<const DatabaseConfig> config() const { return context_.config; }
  Environment& environment() const { return context_.environment; }

  DocumentWriter& writer() { return writer_; }
  DocumentPurger& purger() { return purger_; }
  DocumentReader& documents() { return documents_; }
  LocalDocuments& local_documents() { return local_documents_; }
  DocumentResync& resync() { return resync_; }
  const ExpirySweeper& expiry() const { return expiry_; }
  PartSweeper& parts() { return parts_; }
  PrincipalStore& principals() { return principals_; }
  SessionStore& sessions() { return sessions_; }
  CacheReader& cache_reader() { return reader_; }
  const CacheReader& cache_reader() const { return reader_; }
  const CacheSpace& cache_space() const { return space_; }

  AllDocsCursor all_docs(std::shared_ptr<const Principal> reader, AllDocsQuery query);
  /// Documents that are not deleted. Reads all of them: for admins.
  Task<Result<std::uint64_t>> count_documents();
  /// How many documents each channel has, of the first `documents_most`: for admins.
  Task<Result<ChannelTally>> tally_channels(std::uint64_t documents_most) {
    return headgate::tally_channels(context_, documents_most);
  }

  /// The largest sequence handed out (`update_seq`).
  Sequence highest() const { return allocator_.highest(); }
  /// The same of all nodes: reads the counter. Errors: unavailable, timeout_unknown_outcome.
  Task<Result<Sequence>> read_highest() { return allocator_.read_highest(); }
  /// The last stable sequence that this node knows of; start_pass() reads the published one.
  Sequence stable() const;
  /// Why the database has stopped for good (D): every request fails with it. Absent: it has not.
  const std::optional<Error>& failure() const { return allocator_.failure(); }

  CacheWriter::Statistics cache_writer_statistics() const;
  /// Empty while the cache writer does not run here.
  std::vector<CacheRepair> recent_repairs() const {
    return cache_writer_ ? cache_writer_->recent_repairs() : std::vector<CacheRepair>();
  }
  FrontEndCacheWriter::Statistics front_end_statistics() const { return front_end_.statistics(); }

 private:
  Task<Result<void>> apply(DatabaseConfig config);
  Task<void> enter_change();
  void leave_change();
  Sequence forgettable();
  Task<void> look_at_stable();

  std::string name_;
  Bucket& base_;
  ChangeListener& listener_;
  CacheSpace space_;
  SequenceAllocator allocator_;
  CacheReader reader_;
  FrontEndCacheWriter front_end_;
  DatabaseContext context_;
  DocumentWriter writer_;
  DocumentPurger purger_;
  DocumentReader documents_;
  LocalDocuments local_documents_;
  PrincipalStore principals_;
  SessionStore sessions_;
  StoredRepair repair_;
  std::unique_ptr<CacheWriter> cache_writer_;
  CacheWriter::Statistics last_statistics_;
  DocumentResync resync_;
  ExpirySweeper expiry_;
  PartSweeper parts_;
  bool is_changing_ = false;  ///< configuration or role
  Signal changed_;
  TimePoint last_look_{};
  TaskScope tasks_;
};

}  // namespace headgate
