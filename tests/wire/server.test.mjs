#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Stopping by signals: with a thousand streams, with a reply in flight, with peers that do not
// read, at once, under ASan and TSan.
import assert from 'node:assert/strict'
import { answers, request, Server, sleep, test, until } from './wire.mjs'

const start = (grace_ms, build = 'asan') =>
  Server.start(`${build}/stopping`, { args: [String(grace_ms)] })
const streams = async server => JSON.parse((await request(server, 'GET', '/count')).body).streams
const say = (socket, path) => socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)

async function open(server, count, path = '/stream', options) {
  const sockets = await Promise.all(Array.from({ length: count }, () => server.socket(options)))
  for (const socket of sockets) {
    say(socket, path)
    socket.on('close', () => { socket.over = true })
    if (options?.read === false) socket.pause()
  }
  await until(async () => await streams(server) >= count, 'the streams', 20000)
  return sockets
}

async function timed(stopping) {
  const began = Date.now(), end = await stopping
  return { ...end, ms: Date.now() - began }
}

for (const build of ['asan', 'tsan'])
  test(`SIGTERM with a thousand streams (${build})`, async () => {
    const server = await start(60000, build)
    const sockets = await open(server, 1000)
    const { code, stderr, ms } = await timed(server.stop())
    assert.equal(code, 0, stderr)
    assert(ms < 30000, `${ms} ms: nobody kept it waiting`)
    assert.match(stderr, /closed 1000, by stop 1000/)
    await until(() => sockets.every(socket => socket.over), 'all of them to be over')
    const whole = sockets.filter(({ got }) => got.includes('data: stopping') &&
      got.includes('event: bye\ndata: farewell') && !got.endsWith('0\r\n\r\n'))
    assert.equal(whole.length, 1000, 'each heard its last words, and no end: it comes back')
  })

test('a reply in flight is finished; new connections are not taken', async () => {
  const server = await start(60000)
  const slow = await server.socket(), idle = await server.socket()
  say(slow, '/slow?ms=600')
  await sleep(100)
  const stopping = timed(server.stop({ signal: 'SIGINT' }))
  await sleep(100)
  assert.equal(await answers(server.port), false)
  const { code, ms, stderr } = await stopping
  assert.equal(code, 0, stderr)
  assert(slow.got.includes('200 OK') && slow.got.endsWith('at last'), slow.got)
  assert(ms >= 300 && ms < 30000, `${ms} ms`)
  idle.destroy()
})

test('the grace period ends what will not', async () => {
  const server = await start(700)
  const stuck = await open(server, 3, '/stream?stuck=1', { read: false })
  const slow = await server.socket()
  say(slow, '/slow?ms=30000')
  await sleep(100)
  const { code, ms, stderr } = await timed(server.stop())
  assert.equal(code, 0, stderr)
  assert(ms >= 600 && ms < 30000, `${ms} ms`)
  assert.match(stderr, /closed 3, by stop 3/)
  for (const socket of [...stuck, slow]) socket.destroy()
})

for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGTERM']])
  test(`a second signal ends at once (${first}, ${second})`, async () => {
    const server = await start(60000)
    const stuck = await open(server, 3, '/stream?stuck=1', { read: false })
    process.kill(server.pid, first)
    await sleep(300)
    const { code, ms, stderr } = await timed(server.stop({ signal: second }))
    assert.equal(code, 0, stderr)
    assert(ms < 30000, `${ms} ms`)
    stuck.forEach(socket => socket.destroy())
  })

test('without connections it stops at once', async () => {
  const server = await start(60000)
  const { code, ms, stderr } = await timed(server.stop())
  assert.equal(code, 0, stderr)
  assert(ms < 30000, `${ms} ms`)
})
