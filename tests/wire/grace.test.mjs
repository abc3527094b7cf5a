#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The stop and its grace period, by what other servers test: who cooperates is heard out, who does
// not is cut, nobody is waited for in vain, and nobody who is left takes it for the end. See
// ends.test.mjs for how each stream ends.
import assert from 'node:assert/strict'
import { listen, Server, sleep, test, until } from './wire.mjs'

const OFF = -1 // SSE_OFF
const start = grace_ms => Server.start('asan/ends', { args: [String(grace_ms)] })
const data = stream => stream.events.map(event => event.data)
const ready = streams =>
  until(() => streams.every(({ events }) => events.length), 'the first event of each')
const gone = streams => until(() => streams.every(({ closed }) => closed), 'all to be closed')
const count = (stream, text) => data(stream).filter(each => each === text).length
const over_by = (stderr, reason) =>
  (stderr.match(new RegExp(`job over by ${reason},`, 'g')) ?? []).length
const BY_PEER = 0, BY_END = 1, BY_STOP = 2

async function open(server, how, times = 1) {
  const streams = await Promise.all(Array.from({ length: times }, () => listen(server, how)))
  await ready(streams)
  return streams
}

async function stop(server, options) { // { code, stderr, ms }; how it ended is as it should
  const from = Date.now()
  const { code, signal, stderr } = await server.stop(options), ms = Date.now() - from
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
  assert.doesNotMatch(stderr, /Sanitizer|runtime error|still running/)
  return { stderr, ms }
}

test('a generator that sleeps for an hour is told at once', async () => {
  const server = await start(60000), [sleeper] = await open(server, '/drain/generator')
  const stopping = stop(server)
  await until(() => count(sleeper, 'farewell') > 0, 'its farewell')
  await stopping
})

test('who cooperates is heard out and waited for, and no longer', async () => {
  const server = await start(60000)
  const streams = [...await open(server, '/drain/generator'), ...await open(server, '/drain/job')]
  const { ms, stderr } = await stop(server)
  await gone(streams)
  assert.deepEqual(data(streams[0]), ['one', 'farewell', 'farewell', 'farewell', 'last'])
  assert.deepEqual(data(streams[1]),
    ['one', 'told', 'wrapping up', 'wrapping up', 'wrapping up', 'last'])
  assert.equal(over_by(stderr, BY_END), 2, 'they ended themselves')
  assert(ms < 30000, `${ms} ms`)
})

test('who does not is cut when the grace period is over, by its last event', async () => {
  const server = await start(700), [deaf] = await open(server, '/drain/endless')
  const { ms, stderr } = await stop(server)
  await gone([deaf])
  assert(ms >= 650 && ms < 30000, `${ms} ms`)
  assert(count(deaf, 'tick') > 10, 'it went on')
  assert.deepEqual([data(deaf).at(-1), deaf.complete], ['last', false])
  assert.equal(over_by(stderr, BY_STOP), 1)
})

test('without a grace period who cooperates is told, and cut at once like the others', async () => {
  const server = await start(OFF)
  const hows = ['/drain/job', '/drain/generator', '/drain/endless', '/stream/open']
  const streams = (await Promise.all(hows.map(how => open(server, how)))).flat()
  const { ms } = await stop(server)
  await gone(streams)
  assert(ms < 30000, `${ms} ms`)
  for (const stream of streams) assert.deepEqual([data(stream)[0], stream.complete], ['one', false])
})

test('who has nothing more to say is not waited for', async () => {
  const server = await start(60000), streams = await open(server, '/stream/open', 5)
  const { ms } = await stop(server)
  await gone(streams)
  assert(ms < 30000, `${ms} ms`)
  for (const stream of streams)
    assert.deepEqual([data(stream), stream.complete], [['one', 'last'], false])
})

test('one that is deaf holds up no other: they end when they are done', async () => {
  const server = await start(4000)
  const [deaf] = await open(server, '/drain/forever')
  const [polite] = await open(server, '/drain/generator')
  const stopping = stop(server)
  await until(() => polite.closed, 'the polite one to end')
  assert(!deaf.closed)
  const { ms } = await stopping
  assert(ms >= 3950, `${ms} ms`)
})

test('many: each of 300 streams is heard out, and all are over in time', async () => {
  const server = await start(60000)
  const hows = ['/drain/generator', '/drain/job', '/stream/open']
  const [generators, jobs, plain] = await Promise.all(hows.map(how => open(server, how, 100)))
  const { ms, stderr } = await stop(server)
  await gone([...generators, ...jobs, ...plain])
  assert(ms < 30000, `${ms} ms`)
  for (const [list, text] of [[generators, 'farewell'], [jobs, 'wrapping up']])
    for (const stream of list)
      assert.deepEqual([count(stream, text), data(stream).at(-1), stream.complete],
        [3, 'last', false])
  for (const stream of plain)
    assert.deepEqual([data(stream), stream.complete], [['one', 'last'], false])
  assert.equal(over_by(stderr, BY_END), 200)
})

test('who leaves meanwhile is not waited for', async () => {
  const server = await start(60000)
  const streams =
    [...await open(server, '/drain/forever', 3), ...await open(server, '/drain/endless', 3)]
  const stopping = stop(server)
  await until(() => count(streams[0], 'told') === 1, 'the stop')
  streams.forEach(stream => stream.close())
  const { ms, stderr } = await stopping
  assert(ms < 30000, `${ms} ms`)
  assert.equal(over_by(stderr, BY_PEER), 6)
})

test('who reads nothing is not waited for when the grace period is over', async () => {
  const server = await start(700), socket = await server.socket({ read: false })
  socket.write('GET /drain/endless HTTP/1.1\r\nHost: localhost\r\n\r\n')
  const stuck = await server.socket({ read: false })
  stuck.write('GET /stream/slow HTTP/1.1\r\nHost: localhost\r\n\r\n') // 40 MB
  await sleep(100)
  const { ms } = await stop(server)
  assert(ms < 30000, `${ms} ms`)
  for (const each of [socket, stuck]) each.destroy()
})

test('the second signal ends the grace period', async () => {
  for (const [first, second] of [['SIGTERM', 'SIGTERM'], ['SIGINT', 'SIGTERM']]) {
    const server = await start(60000)
    const streams =
      [...await open(server, '/drain/forever'), ...await open(server, '/drain/endless')]
    const stopping = stop(server, { signal: first })
    await until(() => count(streams[0], 'told') === 1, 'the stop')
    await sleep(100)
    assert(streams.every(({ closed }) => !closed))
    server.child.kill(second)
    const { ms, stderr } = await stopping
    await gone(streams)
    assert(ms < 30000, `${ms} ms`)
    assert(streams.every(({ complete }) => !complete))
    assert.equal(over_by(stderr, BY_STOP), 2, 'on_close ran')
  }
})

test('meanwhile nobody else is let in, and a kept connection is told that it is closed',
    async () => {
  const server = await start(3000)
  const [held] = await open(server, '/drain/forever'), kept = await server.socket()
  const ask = () => kept.write('GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n')
  ask()
  await until(() => kept.got.endsWith('plain'), 'a reply')
  assert.doesNotMatch(kept.got, /connection: close/i)
  const stopping = stop(server)
  await until(() => count(held, 'told') === 1, 'the stop')
  await assert.rejects(server.socket(), { code: 'ECONNREFUSED' })
  kept.got = ''
  if (!kept.closed) ask()
  await until(() => kept.closed, 'the close')
  if (kept.got) assert.match(kept.got, /connection: close[^]*plain$/i)
  held.close()
  await stopping
})
