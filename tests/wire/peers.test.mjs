#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Peers that misbehave: the others feel nothing, nothing leaks, nothing spins.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import { posts, settled, watch } from './feed.mjs'
import { request, Server, sleep, test, until } from './wire.mjs'

const page = i => `${i} ${'x'.repeat(2000)}` // 50 of them make an event of 100 KB
const get = target => `GET ${target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`

// The process does next to nothing while time passes: pings and a safety look at the database are
// all it may wake for. What spins does so each time; the kernel counts CPU by whoever runs at its
// ticks.
async function assert_idle(server, ms = 2000) {
  let used, woken
  for (let i = 0; i < 4; i++) {
    await sleep(200)
    const cpu = server.cpu_ms(), wakeups = server.wakeups()
    await sleep(ms)
    used = server.cpu_ms() - cpu
    woken = server.wakeups() - wakeups
    if (used <= 10 && woken <= ms / 100) return
  }
  assert.fail(`${used} ms of CPU and ${woken} wakeups in ${ms} ms`)
}

let asan, plain // leaks are the sanitizer's to find; memory and CPU are measured without it
before(async () => {
  [asan, plain] = await Promise.all(
    ['asan/server', 'clang/server'].map(program => Server.start(program, { args: ['peers.db'] })))
})
after(() => Promise.all([asan?.stops(), plain?.stops()]))
const gone = server =>
  until(async () => (await server.stats()).streams === 0, 'the streams to be given up')

test('disconnects while sending, orderly and by reset', async () => {
  const streams = await watch(asan, 5)
  let stop = false
  const writer = (async () => { while (!stop) await posts(asan, 10, 4, page) })()
  for (let i = 0; i < 200; i++) {
    const socket = await asan.socket({ read: i % 2 === 0 })
    socket.write(i % 3 === 0 ? get('/big?kb=4096') : get('/feed'))
    if (i % 2 === 0) await until(() => socket.got.length > 0 || socket.closed, 'the first bytes')
    else await sleep(2)
    if (i % 4 < 2) socket.destroy()
    else socket.resetAndDestroy()
  }
  stop = true
  await writer
  await settled(asan, streams)
  streams.forEach(stream => stream.close())
  await gone(asan)
})

test('half requests hold nothing up, and cost nothing while they wait', async () => {
  const halves = ['', 'G', 'GET / HTTP/1.', 'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n',
    'GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ' + 'y'.repeat(5000),
    'POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n' +
      'Content-Length: 100\r\n\r\n{"text":',
    'POST /say HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab']
  for (const server of [asan, plain]) {
    const sockets = []
    for (let i = 0; i < 10; i++) {
      for (const half of halves) {
        const socket = await server.socket()
        socket.write(half)
        sockets.push(socket)
      }
    }
    const streams = await watch(server, 5)
    await posts(server, 50, 4)
    await settled(server, streams)
    assert.equal((await request(server, 'GET', '/')).body, 'ok')
    if (server === plain) await assert_idle(server)
    assert(sockets.every(socket => socket.got === ''), 'half a request is not answered')
    for (const [i, socket] of sockets.entries()) i % 2 ? socket.destroy() : socket.end()
    streams.forEach(stream => stream.close())
    await gone(server)
  }
})

test('a request byte by byte is a request', async () => {
  const socket = await asan.socket()
  socket.setNoDelay(true)
  for (const byte of get('/')) { socket.write(byte); await sleep(1) }
  await until(() => /\r\n\r\nok$/.test(socket.got), 'the reply')
  socket.destroy()
})

test('a client that never reads: the others follow, its memory is bounded, nothing spins',
    async t => {
  for (const server of [asan, plain]) {
    const deaf = await Promise.all(Array.from({ length: 10 }, () => server.socket({ read: false })))
    deaf.forEach(socket => socket.write(get('/feed')))
    const streams = await watch(server, 10)
    await posts(server, 60, 4, page) // the table is full of long lines now
    await settled(server, streams)
    const before_kb = server.rss_kb()
    await posts(server, 200, 8, page) // 20 MB for each
    await settled(server, streams)
    if (server === plain) {
      const grown = server.rss_kb() - before_kb
      t.diagnostic(`resident memory grew by ${grown} KB`)
      assert(grown < 16 * 1024, `resident memory grew by ${grown} KB`)
      await assert_idle(server)
    }
    deaf.forEach(socket => socket.destroy())
    streams.forEach(stream => stream.close())
    await gone(server)
  }
})

test('idle with 50 streams: no CPU', async () => {
  const streams = await watch(plain, 50)
  await settled(plain, streams)
  await assert_idle(plain, 3000)
  streams.forEach(stream => stream.close())
  await gone(plain)
  await assert_idle(plain)
})

test('a stop with open streams and half requests ends in time', async () => {
  const server = await Server.start('asan/server')
  const streams = await watch(server, 50)
  const half = await server.socket()
  half.write('GET / HT')
  const from = Date.now()
  await server.stops()
  assert(Date.now() - from < 30000, `${Date.now() - from} ms`)
  await until(() => half.closed && streams.every(stream => stream.closed), 'all to be closed')
})
