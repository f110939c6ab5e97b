// SPDX-License-Identifier: Apache-2.0
// What things cost does not grow with what there is, by the server's own counts: the small version of
// bench/growth. The full sizes are in docs/performance.md.
import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { measureCompaction } from '../../bench/growth/compaction.mjs';
import { measureDimension } from '../../bench/growth/growth.mjs';

const kEffort = 100;
/**
 * What one of each kind may cost at any size. Room is for what is done by the clock meanwhile; what
 * looked at all there is would cost hundreds.
 */
const kLimits = {
  writes: { store_operations: 12, store_reads: 20, fsyncs: 1.1 },
  gets: { store_reads: 2, store_operations: 0.5 },
  tail: { store_reads: 10, cache_reads: 5, store_operations: 0.5 },
  first_sync: { cache_reads: 2, store_operations: 0.5 }, // by row, channels of four entries included
  first_request: { store_reads: 25, store_operations: 1 },
  wake: { store_reads: 40, cache_reads: 20, store_operations: 30, fsyncs: 3 },
};

async function check(name, sizes, context, without = []) {
  const found = await measureDimension(name, sizes, { effort: kEffort, data: tmpdir() });
  assert.deepEqual(found.map(({ size }) => size), sizes);
  for (const at of found) {
    context.diagnostic(JSON.stringify(at));
    for (const [kind, limits] of Object.entries(kLimits)) {
      if (!at[kind] || without.includes(kind)) continue;
      for (const [count, limit] of Object.entries(limits)) {
        assert.ok(at[kind][count] <= limit, `${name} ${at.size}: ${kind}: ${at[kind][count]} ${count}`);
      }
    }
  }
}

test('with documents', (context) => check('documents', [50, 2_000], context));
test('with channels', (context) => check('channels', [50, 2_000], context));
test('with entries of a channel', (context) => check('entries', [50, 2_000], context));
test('with users', (context) => check('users', [20, 300], context));
test('with longpolls', (context) => check('feeds', [20, 300], context));
// The first sync is of one row, and what was superseded is compacted when it is time for it.
test('with writes of a document', (context) =>
  check('revisions', [20, 300], context, ['first_sync', 'writes']));

test('what was superseded is not read again after compaction', async (context) => {
  const found = await measureCompaction({ documents: 1_500, revisions: 8 });
  context.diagnostic(JSON.stringify(found));
  assert.ok(found.compacted.cache_reads <= 1.1, `${found.compacted.cache_reads} reads a document`);
  assert.equal(found.compacted.rows, 1);
});
