#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The crowd of feed.test.mjs on two workers, under the thread sanitizer.
import { crowd } from './feed.mjs'
import { Server, test } from './wire.mjs'

test('50 clients, 400 posts, two workers: no race', async () => {
  const server = await Server.start('tsan/server', { args: ['threads.db'], env: { WORKERS: '2' } })
  await crowd(server, { messages: 400 })
  await server.stops()
})
