#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// A disk on which an fsync takes a second: who waits for it is who asked for what it keeps, and
// nobody else.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import http from 'node:http'
import path from 'node:path'
import { elements, listen, request, root, Server, sleep, test, until } from './wire.mjs'

const FSYNC_MS = 1000
const slow = () => Server.start('clang/disk', { args: ['a.db'],
  env: { FSYNC_MS: String(FSYNC_MS), LD_PRELOAD: path.join(root, 'build/slow_fsync.so') } })
const close = (...streams) => streams.forEach(stream => stream.close())
const send = (server, target) =>
  request(server, 'POST', target, { headers: { 'Content-Length': '0' } })
const took = async fn => { const from = Date.now(); await fn(); return Date.now() - from }
const sql = (server, text) =>
  execFileSync('sqlite3', [path.join(server.dir, 'a.db'), text]).toString().trim()

// How long the slowest of many requests took, and the longest pause of a stream that ticks each 20
// ms.
async function others(server, during) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
  const ticks = await listen(server, '/on/ticks')
  await until(() => ticks.events.length, 'a tick')
  let over = false, longest = 0, pause = 0, seen = ticks.events.length, last = Date.now()
  const watch = setInterval(() => {
    if (ticks.events.length === seen) return
    seen = ticks.events.length
    pause = Math.max(pause, Date.now() - last)
    last = Date.now()
  }, 1)
  const asking = (async () => {
    while (!over) {
      longest = Math.max(longest, await took(() => request(server, 'GET', '/hello', { agent })))
      await sleep(5)
    }
  })()
  await during()
  over = true
  await asking
  clearInterval(watch)
  close(ticks)
  agent.destroy()
  return { longest, pause }
}

// A busy machine may hold up anybody; the disk does each time.
async function undisturbed(t, server, during) {
  let got
  for (let i = 0; i < 10; i++) {
    got = await others(server, during)
    t.diagnostic(`the slowest other request took ${got.longest} ms, ` +
      `the longest pause of a stream ${got.pause} ms`)
    if (got.longest < FSYNC_MS / 2 && got.pause < FSYNC_MS / 2) return
  }
  assert.fail(`others waited ${got.longest} and ${got.pause} ms`)
}

test('events that are kept: who publishes waits until they are, as do those who are told; ' +
    'nobody else does', async t => {
  const server = await slow(), stream = await listen(server, '/on/kept')
  let n = 0
  await undisturbed(t, server, async () => {
    const data = `e${++n}`
    const told = until(() => stream.events.some(event => event.data === data), data)
      .then(() => Date.now())
    const from = Date.now()
    assert.equal((await send(server, `/publish?data=${data}`)).status, 204)
    assert(Date.now() - from >= FSYNC_MS * 0.9, 'it was answered before it was kept')
    assert(await told - from >= FSYNC_MS * 0.9, 'it was told before it was kept')
  })
  close(stream)
  await server.stops()
})

test('what was acknowledged is there after kill -9, and what is published meanwhile shares the ' +
    'next fsync', async t => {
  const server = await slow()
  const ms = await took(() =>
    Promise.all(Array.from({ length: 30 }, (_, i) => send(server, `/publish?data=${i}`))))
  t.diagnostic(`30 at once: ${ms} ms`)
  assert(ms < 10 * FSYNC_MS, `${ms} ms`)
  await server.restart('SIGKILL')
  assert.equal(sql(server, 'SELECT count(*) FROM sse_events'), '30')
  await server.stops()
})

test('statements that are posted: the loop goes on, they share the fsync, views are told',
    async t => {
  const server = await slow(), view = await listen(server, '/rows')
  let n = 0
  await undisturbed(t, server, async () => {
    const from = Date.now()
    const replies =
      await Promise.all(Array.from({ length: 20 }, () => send(server, `/post?data=${++n}`)))
    assert.deepEqual(replies.map(reply => reply.status), Array(20).fill(200))
    assert(Date.now() - from >= FSYNC_MS * 0.9, 'they were answered before they were kept')
    assert(Date.now() - from < 10 * FSYNC_MS, `20 took ${Date.now() - from} ms`)
  })
  await until(() => elements(view.last)?.includes(`>${n}<`), 'the view')
  const clash = await send(server, '/post?data=1')
  assert.equal(clash.status, 409)
  assert.match(clash.body, /UNIQUE/)
  close(view)
  const last = await send(server, '/post?data=last')
  assert.equal(JSON.parse(last.body).id, n + 1)
  await server.restart('SIGKILL')
  assert.equal(sql(server, 'SELECT count(*) FROM t'), String(n + 1))
  await server.stops()
})

test('a stop waits for the disk: what was accepted is kept, and told', async () => {
  const server = await slow(), stream = await listen(server, '/on/kept')
  const replies = [send(server, '/publish?data=last'),
    send(server, '/post?data=last')].map(reply => reply.catch(() => null))
  await sleep(200)
  await server.restart('SIGTERM')
  assert.equal(sql(server, 'SELECT count(*) FROM sse_events'), '1')
  assert.equal(sql(server, 'SELECT count(*) FROM t'), '1')
  assert.deepEqual((await Promise.all(replies)).map(reply => reply?.status), [204, 200])
  assert.equal(stream.events.at(-1)?.data, 'last')
  close(stream)
  await server.stops()
})
