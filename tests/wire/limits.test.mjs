#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Limits: connections, descriptors, addresses, time.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { get, split_replies, talk } from './raw.mjs'
import { busy, request, root, Server, sleep, test, until } from './wire.mjs'

const start = (...args) => Server.start('asan/http', { args })
const sockets = (server, count) => Promise.all(Array.from({ length: count }, () => server.socket()))
const close = list => list.forEach(socket => socket.destroy())
async function got(server, text = get('/')) {
  const socket = await server.socket()
  socket.write(text)
  await until(() => socket.readableEnded || socket.closed ||
    split_replies(socket.got).replies.length, 'an answer')
  await sleep(20)
  socket.destroy()
  return socket.got
}

// LI1
test('max_connections: those above it are told, the others served', async () => {
  const server = await start('max_connections=5')
  const first = await sockets(server, 5)
  first.forEach(socket => socket.write(get('/')))
  await until(() => first.every(socket => socket.got.endsWith('ok')), 'five replies')
  assert.match(await got(server), /^HTTP\/1\.1 503 [\s\S]*Connection: close/)
  assert.match(await got(server, get('/stream', 'Accept: text/event-stream')),
    /^HTTP\/1\.1 200 [\s\S]*text\/event-stream[\s\S]*retry: \d+\n\n\r\n$/)
  const silent = await server.socket()
  await until(() => silent.closed, 'one that says nothing to be closed', 20000)
  first[0].write(get('/'))
  await until(() => first[0].got.match(/ok/g).length === 2, 'the first to be served on')
  close(first)
  await sleep(100)
  assert.match(await got(server), /200 OK/)
  await server.stops()
})

test('max_per_peer', async () => {
  const server = await start('max_per_peer=3')
  const proxied = await start('max_per_peer=3', 'trusted_proxies=127.0.0.1')
  for (const one of [server, proxied]) {
    const first = await sockets(one, 3)
    await sleep(50)
    assert.match(await got(one), one === server ? /^HTTP\/1\.1 503 / : /^HTTP\/1\.1 200 /)
    assert.match(await got(one, get('/stream', 'Accept: text/event-stream')), /^HTTP\/1\.1 200 /)
    close(first)
    await sleep(50)
    assert.match(await got(one), /^HTTP\/1\.1 200 /)
    await one.stops()
  }
})

// LI2
test('out of descriptors: who waits is served when another leaves, or told; no spin, and on again',
    async () => {
  const server = await start('max_connections=1000', `root=${root}tests`)
  execFileSync('prlimit', ['--pid', String(server.pid), '--nofile=20'])
  const first = []
  for (let i = 0; i < 30; i++) { // the kernel accepts them; the server has room for fewer
    const socket = await server.socket()
    if (i % 3)
      socket.write(i % 3 === 1 ? get('/', 'X: 1') : get('/stream', 'Accept: text/event-stream'))
    first.push(socket)
  }
  await sleep(500)
  const cpu = server.cpu_ms()
  await sleep(1000)
  assert(server.cpu_ms() - cpu <= 500, `${server.cpu_ms() - cpu} ms of CPU in a second`)
  const over = socket => socket.closed || socket.readableEnded
  const served = first.filter(socket => !over(socket))
  assert(served.length >= 5 && served.length < 25, `${served.length} served`)
  for (const [i, socket] of first.entries()) {
    if (!over(socket)) continue
    // its request has not come, or too late: it may be one of an EventSource
    if (i % 3 === 0 || !socket.got) assert.equal(socket.got, '')
    else assert.match(socket.got, i % 3 === 1 ? /^HTTP\/1\.1 503 /
      : /^HTTP\/1\.1 200 OK\r\n[^]*chunked\r\n(.+\r\n)*\r\nd\r\nretry: \d+\n\n\r\n$/)
  }
  assert(first.some((socket, i) => i % 3 === 1 && over(socket) && socket.got) &&
    first.some((socket, i) => i % 3 === 2 && over(socket) && socket.got))
  served[0].write(get('/files/tap.h')) // it is there, but cannot be opened for now
  await until(() => served[0].got.endsWith('Service Unavailable\n'), 'a file to be refused')
  const waiting = got(server)
  await sleep(30)
  served[0].destroy()
  assert.match(await waiting, /^HTTP\/1\.1 200 /)
  close(first)
  await sleep(200)
  assert.match(await got(server), /200 OK/)
  await server.stops()
})

test('a drip of bytes holds no slot', async () => {
  const server = await start('header_timeout_ms=500', 'body_timeout_ms=500', 'keepalive_ms=500',
    'send_timeout_ms=700')
  const drip = async (text, every_ms) => {
    const socket = await server.socket(), from = Date.now()
    for (const byte of text) {
      if (socket.readableEnded || socket.closed) break
      socket.write(byte)
      await sleep(every_ms)
    }
    await until(() => socket.readableEnded || socket.closed, 'the end', 20000)
    return { ms: Date.now() - from, status: split_replies(socket.got).replies[0]?.status }
  }
  const results = await Promise.all([
    drip('GET / HTTP/1.1\r\nHost: localhost\r\nX: ' + 'x'.repeat(100), 50),
    drip(['POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n',
      ...'x'.repeat(100)], 50),
    drip(['POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n',
      ...'x'.repeat(100)], 50),
    drip(['POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n',
      ...'1\r\nx\r\n'.repeat(30)], 50),
    drip('', 0),
  ])
  for (const { ms } of results) assert(ms >= 450 && ms < busy(2500), `${ms} ms`)
  assert.deepEqual(results.map(result => result.status), [408, 408, 408, 408, undefined])
  const quick =
    await talk(server, ['POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n',
    'x'.repeat(20000), 'x'.repeat(20000), 'x'.repeat(20000)], { gap_ms: 300 })
  assert.equal(quick.replies[0].status, 200, 'real progress moves the deadline')
  const deaf = await server.socket({ read: false })
  deaf.pause()
  deaf.write(get('/big?kb=20000'))
  await until(async () =>
    JSON.parse((await request(server, 'GET', '/stats')).body).connections === 1,
    'one that does not read to be given up', 20000)
  deaf.destroy()
  await server.stops()
})

test('short limits for heads', async () => {
  const server = await start('max_header_bytes=256', 'max_headers=3', 'max_body_bytes=10')
  const status = async text => (await talk(server, text)).replies[0].status
  assert.equal(await status(get('/')), 200)
  assert.equal(await status(get('/', 'A: b', 'C: d')), 200)
  assert.equal(await status(get('/', 'A: b', 'C: d', 'E: f')), 431)
  assert.equal(await status(get('/' + 'x'.repeat(300))), 414)
  assert.equal(await status(get('/', 'A: ' + 'x'.repeat(300))), 431)
  assert.equal(await status('POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\n\r\n'),
    413)
  assert.equal(await status(
    'POST /echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nb\r\n'), 413)
  await server.stops()
})

test('hooks of a life', async () => {
  const server = await start()
  const { code, stderr } = await server.stop()
  assert.deepEqual([code, stderr], [0, ''])
  assert.match(server.stdout, /^listening on [^\n]*\nexit\n$/)
})

test('requests that come faster than they are answered wait in the kernel: ' +
    'neither memory nor the time of others', async t => {
  const server = await start()
  // 4 MB
  const before = server.rss_kb()
  const text = Buffer.from(get('/', `X-Some: ${'x'.repeat(1000)}`).repeat(4000))
  const crowd = await Promise.all(Array.from({ length: 8 }, () => server.socket({ read: false })))
  const count = crowd.map(() => 0)
  crowd.forEach((socket, i) => {
    socket.on('data',
      bytes => { for (let at = -1; (at = bytes.indexOf('HTTP/1.1 200', at + 1)) >= 0;) count[i]++ })
    socket.write(text)
  })
  let most = 0, longest = 0
  for (let i = 0; i < 10; i++) {
    const from = Date.now()
    assert.equal((await request(server, 'GET', '/')).status, 200)
    longest = Math.max(longest, Date.now() - from)
    most = Math.max(most, server.rss_kb() - before)
  }
  // the mark may lie across two pieces
  await until(() => count.every(n => n > 3900), () => `all replies: ${count}`, 40000)
  most = Math.max(most, server.rss_kb() - before)
  t.diagnostic(`${most} KB more at most; another's request took ${longest} ms`)
  assert(most < 16384, `${most} KB more`)
  close(crowd)
  await server.stops()
})
