// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "database/document_reader.hpp"

namespace headgate {

/// What is asked of one document.
struct ReadAsk {
  enum class What : std::uint8_t {
    winner,      ///< not a tombstone
    any_winner,  ///< a tombstone, too
    revisions,   ///< those named; missing ones are said to be
    readable_leaves,
  };
  DocId id;
  What what = What::winner;
  std::vector<Revision> revisions;
  bool latest = false;  ///< each revision stands for the leaves that grew from it
  std::vector<Revision> atts_since;
};

/// One call of DocumentReader on its way: loads the documents, decides what the reader may see,
/// fetches bodies and attachments that lie apart, writes the JSON. Works on a few documents at a
/// time, so that memory is bounded by what it answers. Lives in the frame of that call.
class ReadBatch {
 public:
  using Answer = Result<std::vector<OpenRevision>>;

  ReadBatch(DatabaseContext& context, DocumentReader& documents,
            std::shared_ptr<const Principal> reader, ShowOptions show)
      : context_(context),
        documents_(documents),
        reader_(std::move(reader)),
        show_(std::move(show)) {}

  /// One answer for each, in order.
  Task<std::vector<Answer>> run(std::vector<ReadAsk> asks);

 private:
  using Asks = std::vector<const ReadAsk*>;
  /// A revision to be shown whose content is known.
  struct Wanted {
    std::size_t ask = 0;  ///< in the present chunk
    std::size_t place = 0;
    const DocumentEnvelope* envelope = nullptr;
    const LeafContent* content = nullptr;
    bool is_redacted = false;
    std::optional<std::string> body;                      ///< fetched
    std::map<std::string, std::string> attachment_bytes;  ///< fetched, by digest
  };

  Task<std::vector<Answer>> run_chunk(Asks asks);
  Answer choose(std::size_t ask, const ReadAsk& asked, const DocumentEnvelope& envelope);
  Answer choose_winner(std::size_t ask, const ReadAsk& asked, const DocumentEnvelope& envelope);
  Answer choose_readable(std::size_t ask, const DocumentEnvelope& envelope);
  void want(std::size_t ask, std::size_t place, const DocumentEnvelope& envelope,
            const Revision& leaf);
  bool knows_tombstone(const DocumentEnvelope& envelope, const RevisionTree::Leaf& leaf) const;
  bool is_readable(const DocumentEnvelope& envelope, const Revision& leaf) const;
  /// False: a body is gone, because the envelope was replaced after it was read.
  Task<Result<bool>> fetch(const Asks& asks);
  bool shows_bytes(const ReadAsk& asked, const Wanted& wanted, const Attachment& attachment) const;
  std::uint64_t attachment_bytes_of(const ReadAsk& asked, const Wanted& wanted) const;
  ShownRevision write(const ReadAsk& asked, const Wanted& wanted) const;

  DatabaseContext& context_;
  DocumentReader& documents_;
  std::shared_ptr<const Principal> reader_;
  ShowOptions show_;
  std::vector<Wanted> wanted_;  ///< of the present chunk
  std::size_t bytes_ = 0;       ///< answered so far
};

}  // namespace headgate
