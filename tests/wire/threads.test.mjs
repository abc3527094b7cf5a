#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The crowd of feed.test.mjs, under the thread sanitizer.
import { crowd } from './feed.mjs'
import { Server, test } from './wire.mjs'

test('50 clients, 400 posts: no race', async () => {
  const server = await Server.start('tsan/server', { args: ['threads.db'] })
  await crowd(server, { messages: 400 })
  await server.stops()
})
