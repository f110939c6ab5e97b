// SPDX-License-Identifier: Apache-2.0
#include "database/revision_edit.hpp"

#include <algorithm>

namespace headgate {
namespace {

Error conflict(std::string_view reason) {
  return {Errc::conflict, std::string(reason)};
}

/// The body and attachments of a new revision, as the item gives them.
struct NewContent {
  std::string body;
  std::vector<AttachmentInput> attachments;
};

AttachmentInput stub_of(const Attachment& attachment) {
  AttachmentInput stub;
  stub.name = attachment.name;
  stub.source = AttachmentInput::Source::stub;
  stub.digest = attachment.digest;
  stub.content_type = attachment.content_type;
  stub.encoding = attachment.encoding;
  return stub;
}

/// An attachment put or deleted by itself: everything else stays as the parent has it.
Result<NewContent> change_attachment(const LeafContent* parent, const AttachmentChange& change) {
  NewContent content{parent ? parent->body : "{}", {}};
  bool is_there = false;
  if (parent) {
    HG_ASSERT(!parent->is_external);
    for (const Attachment& attachment : parent->attachments) {
      if (attachment.name == change.name)
        is_there = true;
      else
        content.attachments.push_back(stub_of(attachment));
    }
  }
  if (change.input)
    content.attachments.push_back(*change.input);
  else if (!is_there)
    return Error{Errc::not_found, "Document is missing attachment"};
  return content;
}

Result<NewContent> new_content(const DocumentEnvelope& envelope, const WriteItem& item,
                               const std::optional<Revision>& parent) {
  if (!item.attachment_change) return NewContent{item.document.body, item.document.attachments};
  return change_attachment(parent ? envelope.content_of(*parent) : nullptr,
                           *item.attachment_change);
}

Result<void> check_size(const NewContent& content, const EditRules& rules) {
  if (content.body.size() > rules.max_document_bytes)
    return Error{Errc::too_large, "the document is too large"};
  for (const AttachmentInput& input : content.attachments) {
    if (input.data.size() > rules.max_attachment_bytes)
      return Error{Errc::too_large, "attachment \"" + input.name + "\" is too large"};
  }
  return {};
}

/// The parent's attachments, then those of other leaves that a stub names by digest: they are of
/// this document, whoever may read it can have them.
std::vector<Attachment> known_attachments(const DocumentEnvelope& envelope,
                                          const std::optional<Revision>& parent,
                                          const std::vector<AttachmentInput>& inputs) {
  std::vector<Attachment> known;
  if (const LeafContent* content = parent ? envelope.content_of(*parent) : nullptr)
    known = content->attachments;
  for (const LeafContent& leaf : envelope.contents) {
    if (parent && leaf.rev == *parent) continue;
    for (const Attachment& attachment : leaf.attachments) {
      const bool is_named = std::any_of(inputs.begin(), inputs.end(), [&](const auto& input) {
        return input.digest == attachment.digest && input.name == attachment.name;
      });
      if (is_named) known.push_back(attachment);
    }
  }
  return known;
}

/// Semantics 1.5: which writes are no conflict where conflicts are not allowed.
bool is_legal(const RevisionTree& tree, const std::optional<Revision>& parent, bool is_deleted) {
  if (tree.empty() || (parent && parent == tree.winner())) return true;
  if (!parent) return tree.is_deleted();
  const auto info = tree.info(*parent);
  return is_deleted && info && info->is_leaf && !info->is_deleted;
}

std::optional<Revision> first_known(const RevisionTree& tree,
                                    const std::vector<Revision>& history) {
  for (const Revision& rev : history) {
    if (tree.contains(rev)) return rev;
  }
  return std::nullopt;
}

/// The parent of a new edit.
Result<std::optional<Revision>> parent_of_edit(const RevisionTree& tree, const WriteItem& item) {
  if (item.document.rev) {
    if (!tree.contains(*item.document.rev)) return conflict("Document revision conflict");
    return item.document.rev;
  }
  if (tree.empty()) return std::optional<Revision>();
  if (!tree.is_deleted()) return conflict("Document exists");
  return tree.winner();
}

class Editor {
 public:
  Editor(DocumentEnvelope& envelope, const WriteItem& item, const EditRules& rules)
      : envelope_(envelope), tree_(envelope.tree), item_(item), rules_(rules) {
    edit_.is_created = tree_.empty() || tree_.is_deleted();
    edit_.old_winner = tree_.winner();
  }

  Result<RevisionEdit> add_new() {
    HG_TRY(edit_.parent, parent_of_edit(tree_, item_));
    if (deletes_from_stale()) return conflict("Document revision conflict");
    HG_TRY(MergedAttachments merged, merge(edit_.parent ? edit_.parent->generation + 1 : 1));
    const bool is_deleted = item_.document.is_deleted;
    const Revision* parent = edit_.parent ? &*edit_.parent : nullptr;
    HG_TRY(edit_.rev, next_revision(parent, is_deleted, content_.body, merged.attachments));
    edit_.is_known = tree_.contains(edit_.rev);
    if (edit_.is_known) return std::move(edit_);
    if (parent && !tree_.is_leaf(*parent)) return conflict("Document revision conflict");
    if (!rules_.allows_conflicts && !is_legal(tree_, edit_.parent, is_deleted))
      return conflict("Document revision conflict");
    HG_CHECK(tree_.insert(edit_.rev, parent, is_deleted));
    return finish(std::move(merged));
  }

  Result<RevisionEdit> add_history() {
    HG_TRY(const std::vector<Revision> history, item_.document.history());
    edit_.rev = history.front();
    edit_.is_known = tree_.contains(edit_.rev);
    if (edit_.is_known) return std::move(edit_);
    edit_.parent = first_known(tree_, history);
    const bool is_deleted = item_.document.is_deleted;
    if (!rules_.allows_conflicts && !is_legal(tree_, edit_.parent, is_deleted))
      return conflict("Document revision conflict");
    HG_TRY(MergedAttachments merged, merge(edit_.rev.generation));
    HG_CHECK(tree_.insert_history(history, is_deleted));
    return finish(std::move(merged));
  }

 private:
  /// Whether the attachment to be deleted is there cannot be told: only leaves keep theirs.
  bool deletes_from_stale() const {
    return item_.attachment_change && !item_.attachment_change->input && edit_.parent &&
           !tree_.is_leaf(*edit_.parent);
  }

  Result<MergedAttachments> merge(std::uint64_t generation) {
    HG_TRY(content_, new_content(envelope_, item_, edit_.parent));
    HG_CHECK(check_size(content_, rules_));
    const auto known = known_attachments(envelope_, edit_.parent, content_.attachments);
    return merge_attachments(std::move(content_.attachments), known, generation);
  }

  Result<RevisionEdit> finish(MergedAttachments merged) {
    edit_.new_bytes = std::move(merged.to_store);
    envelope_.contents.push_back(
        {edit_.rev, std::move(content_.body), false, std::move(merged.attachments), {}});
    return std::move(edit_);
  }

  DocumentEnvelope& envelope_;
  RevisionTree& tree_;
  const WriteItem& item_;
  const EditRules& rules_;
  NewContent content_;
  RevisionEdit edit_;
};

}  // namespace

std::optional<Revision> base_revision(const DocumentEnvelope& envelope, const WriteItem& item) {
  const RevisionTree& tree = envelope.tree;
  std::optional<Revision> parent = item.document.rev;
  if (!item.is_new_edit) {
    const auto history = item.document.history();
    if (!history) return std::nullopt;
    parent = first_known(tree, *history);
  } else if (!parent) {
    parent = tree.winner();
  }
  if (!parent || !tree.contains(*parent)) return std::nullopt;
  return tree.is_leaf(*parent) ? parent : tree.winner();
}

Result<RevisionEdit> edit_revision(DocumentEnvelope& envelope, const WriteItem& item,
                                   const EditRules& rules) {
  Editor editor(envelope, item, rules);
  return item.is_new_edit ? editor.add_new() : editor.add_history();
}

}  // namespace headgate
