// SPDX-License-Identifier: Apache-2.0
#include "database/document_writer.hpp"

#include "database/write_batch.hpp"

namespace headgate {

Task<std::vector<Result<WriteAnswer>>> DocumentWriter::write(
    std::shared_ptr<const Principal> writer, std::vector<WriteItem> items) {
  WriteBatch batch(context_, statistics_, std::move(writer), std::move(items));
  co_return co_await batch.run();
}

Task<Result<WriteAnswer>> DocumentWriter::write_one(std::shared_ptr<const Principal> writer,
                                                    WriteItem item) {
  std::vector<WriteItem> items;
  items.push_back(std::move(item));
  auto answers = co_await write(std::move(writer), std::move(items));
  co_return std::move(answers.front());
}

}  // namespace headgate
