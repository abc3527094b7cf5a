#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Connections over time: pieces, pipelines, timeouts, limits.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { get, put, split_replies, talk } from './raw.mjs'
import { request, Server, sleep, test, until } from './wire.mjs'

const start = (...args) => Server.start('asan/http', { args })
let server, hasty
before(async () => {
  [server, hasty] = await Promise.all([start(), start('keepalive_ms=300', 'header_timeout_ms=400',
    'body_timeout_ms=400', 'send_timeout_ms=2000')])
})
after(() => Promise.all([server?.stops(), hasty?.stops()]))
const bodies = result => result.replies.map(({ status, body }) => `${status} ${body}`)

test('a small request, cut at every byte', async () => {
  const text = put('POST', '/echo', 'hello')
  const chunked = 'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n' +
    '3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\n'
  for (const whole of [text, chunked]) {
    await Promise.all(Array.from({ length: whole.length - 1 }, async (_, i) => {
      assert.deepEqual(bodies(await talk(server, [whole.slice(0, i + 1), whole.slice(i + 1)],
        { gap_ms: 3 })), ['200 hello'], `cut at ${i + 1}`)
    }))
    assert.deepEqual(bodies(await talk(server, whole.split(''))), ['200 hello'], 'byte by byte')
  }
})

test('bodies one after the other on one connection, however they are cut', async () => {
  const chunked = body =>
    `POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`
  const all = put('POST', '/echo', 'first') + chunked('second') + get('/') + chunked('third') +
    put('POST', '/echo', 'x'.repeat(3000)) + get('/')
  const expected =
    ['200 first', '200 second', '200 ok', '200 third', '200 ' + 'x'.repeat(3000), '200 ok']
  assert.deepEqual(bodies(await talk(server, all, { count: 6 })), expected)
  for (const size of [7, 100, 333]) {
    const pieces = Array.from({ length: Math.ceil(all.length / size) },
      (_, i) => all.slice(i * size, i * size + size))
    assert.deepEqual(bodies(await talk(server, pieces, { count: 6 })), expected,
      `pieces of ${size}`)
  }
})

test('deferred and finished before the handler returns, in a pipeline', async () => {
  const result = await talk(server,
    get('/defer?now=1') + get('/') + put('POST', '/defer?now=1', 'body') + get('/'), { count: 4 })
  assert.deepEqual(bodies(result),
    ['200 deferred /defer', '200 ok', '200 deferred /defer', '200 ok'])
})

test('keep-alive ends after keepalive_ms, not after another timeout', async () => {
  const socket = await hasty.socket()
  const from = Date.now()
  socket.write(get('/'))
  await until(() => socket.closed, 'the connection to be closed', 1500)
  assert(Date.now() - from > 250)
  assert.equal(split_replies(socket.got).replies.length, 1)
})

test('a server that has slept gives a new connection its full time', async () => {
  await sleep(1200)
  const socket = await hasty.socket()
  await sleep(200)
  socket.write(get('/'))
  await until(() => socket.got.includes('ok') || socket.closed, 'a reply')
  assert.match(socket.got, /ok$/)
})
