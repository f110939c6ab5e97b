// SPDX-License-Identifier: Apache-2.0
// Many longpolls that wait in one channel.
import net from 'node:net';
import { ask, inParallel } from '../load.mjs';
import { waitFor } from '../../tests/clients/server.mjs';

export class WaitingFeeds {
  /** `count` of them, which all wait when it returns. */
  static async open(grown, channel, count) {
    const feeds = new WaitingFeeds();
    Object.assign(feeds, { grown, channel, count, answered: 0 });
    const { text } = await ask(200, 'GET', `${grown.url}/_changes?since=now&limit=1`);
    const target = `${new URL(grown.url).pathname}/_changes?feed=longpoll&filter=sync_gateway/bychannel`
      + `&channels=${channel}&since=${JSON.parse(text).last_seq}&timeout=600000`;
    await inParallel(100, 0, count, () => feeds.connect(target));
    await waitFor('all feeds wait', async () =>
      (await grown.metrics()).get('feeds', { kind: 'longpoll' }) === count, 120_000);
    return feeds;
  }

  connect(target) {
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.grown.server.adminPort, '127.0.0.1', () => {
        socket.write(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
        resolve();
      });
      let text = '';
      socket.on('data', (piece) => {
        text += piece;
        if (!text.includes('"wakes-')) return;
        this.answered += 1;
        socket.destroy();
      });
      socket.on('error', reject);
    });
  }

  /** One write that all of them tell of; they are closed then. */
  async wake() {
    await ask(201, 'PUT', `${this.grown.url}/wakes-${this.count}`, `{"channels":["${this.channel}"]}`);
    await waitFor('all feeds tell of it', () => this.answered === this.count, 120_000);
  }
}
