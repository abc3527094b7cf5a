#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// What each client is answered, whatever the handler did: clients that ask for events by what
// brings them back, all others by the plain status; and what becomes of the connection. As the
// clients ask (headers.mjs), and as nginx passes that on by default.
import assert from 'node:assert/strict'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { clients } from './headers.mjs'
import { listen, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/asks') })
after(() => server?.stops())

// ---- who ----------------------------------------------------------------------------------------
const is_event_source = ({ name }) => /event-?source/i.test(name)
const is_datastar_get = ({ name }) => name.endsWith('Datastar @get')
const asks_for_events = client => is_event_source(client) || is_datastar_get(client)

function bytes_of({ method, fields, body }, target, version) {
  const by_nginx = ['Connection: close', ...fields.filter(field => !/^connection:/i.test(field))]
  const length = body === undefined ? [] : [`Content-Length: ${body.length}`]
  const sent = version === '1.1' ? fields : by_nginx
  return [`${method} ${target} HTTP/${version}`, 'Host: localhost', ...sent, ...length, '',
    body ?? ''].join('\r\n')
}

// ---- what comes ---------------------------------------------------------------------------------
function read_chunks(text) { // { body, whole, rest }
  let body = ''
  for (;;) {
    const [line, size] = /^([0-9a-f]+)\r\n/i.exec(text) ?? [], length = parseInt(size, 16)
    if (!line || text.length < line.length + length + 2) return { body, whole: false, rest: text }
    if (length === 0) return { body, whole: true, rest: text.slice(line.length + 2) }
    body += text.slice(line.length, line.length + length)
    text = text.slice(line.length + length + 2)
  }
}

// What came so far: null, or { status, headers, body, whole }, where whole is what the framing
// says: true, false, at the close.
function read_reply(text) {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [line, ...fields] = text.slice(0, end).split('\r\n'), rest = text.slice(end + 4)
  const pairs = fields.map(field => /^(.*?): *(.*)$/.exec(field)), headers = {}
  for (const [, name, value] of pairs) headers[name.toLowerCase()] = value
  const reply = { status: Number(line.split(' ')[1]), headers }
  const length = reply.status === 204 ? 0 : headers['content-length']
  if (headers['transfer-encoding'] === 'chunked') return { ...reply, ...read_chunks(rest) }
  if (length === undefined) return { ...reply, body: rest, whole: 'at the close', rest: '' }
  return { ...reply, body: rest.slice(0, length), whole: rest.length >= length,
    rest: rest.slice(length) }
}

// Asks, reads to the end of the reply or of the connection, and then asks for more on the same one.
async function ask(from, client, target, version) {
  const socket = await from.socket()
  let failure, over = false
  socket.on('error', error => { failure = error.code }).on('close', () => { over = true })
    .on('end', () => { over = true })
  socket.write(bytes_of(client, target, version))
  const what = () => `a reply to ${client.name}, HTTP/${version}, ${target}: ${socket.got}`
  await until(() => over || read_reply(socket.got)?.whole === true, what)
  const reply = read_reply(socket.got)
  if (!reply) return { failure: failure ?? 'nothing' }
  if (reply.whole === 'at the close') await until(() => socket.closed, 'the close')
  reply.complete = reply.whole === 'at the close' ? !failure : reply.whole
  assert.equal(reply.complete && reply.rest, reply.complete && '',
    `nothing follows the reply to ${client.name}`)
  if (!over) {
    socket.got = ''
    socket.write('GET /text HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await until(() => over || /\r\n\r\nok$/.test(socket.got), 'another reply, or the close')
  }
  reply.kept = socket.got.endsWith('\r\n\r\nok') && !over
  reply.text = decoded(reply)
  socket.destroy()
  return reply
}

function decoded({ headers, body, complete }) {
  const bytes = Buffer.from(body, 'latin1')
  const decode =
    { br: zlib.brotliDecompressSync, gzip: zlib.gunzipSync }[headers['content-encoding']]
  if (!decode) return body
  if (complete) return String(decode(bytes))
  assert.throws(() => decode(bytes), 'what is incomplete has no end of its compression either')
  const { BROTLI_OPERATION_FLUSH, Z_SYNC_FLUSH } = zlib.constants
  try {
    return String(decode(bytes, { finishFlush: headers['content-encoding'] === 'br'
      ? BROTLI_OPERATION_FLUSH : Z_SYNC_FLUSH }))
  } catch { return '' } // a slow reader is cut anywhere, also within a frame
}

// ---- and what should ----------------------------------------------------------------------------
const summary = ({ status, headers, complete, kept, failure }) => failure ??
  [status, /event-stream/.test(headers['content-type']) ? 'events' : 'plain',
    complete ? 'complete' : 'broken off',
    kept ? 'kept' : 'closed', .../close/i.test(headers.connection) !== !kept
      ? ['but its head says otherwise'] : []].join(', ')

const plain = status => version =>
  `${status}, plain, complete, ${version === '1.1' ? 'kept' : 'closed'}`
const plain_and_closed = status => () => `${status}, plain, complete, closed`
const come_back = () => '200, events, broken off, closed'

// All clients (but those left out) at one target; expected(client) tells what a summary should be.
async function answers(from, target, expected,
    { chosen = clients, check = () => {}, versions = ['1.1', '1.0'] } = {}) {
  const wrong = []
  const one = async (client, version, tries = 5) => {
    const reply = await ask(from, client, target, version)
    const got = summary(reply), wanted = expected(client)(version)
    // to node a reset beside the last bytes is an end
    if (got !== wanted && got === wanted.replace('broken off', 'complete') &&
        version === '1.0' && tries > 1)
      return one(client, version, tries - 1)
    if (got === wanted) check(reply)
    else wrong.push(`${client.name}, HTTP/${version}: ${got}; and not ${wanted}`)
  }
  for (const version of versions) await Promise.all(chosen.map(client => one(client, version)))
  assert.equal(wrong.join('\n'), '')
}

const told_when = ({ text, headers }) => {
  if (!/event-stream/.test(headers['content-type'])) return
  assert.match(text, /^retry: [1-9]\d*\n\n/)
  assert.match(headers['cache-control'], /no-store|no-cache/)
}

test('a handler that wrote nothing: 204, but an EventSource is told to come back', async () => {
  await answers(server, '/silent', client => is_event_source(client) ? come_back : plain(204),
    { check: told_when })
})

test('a handler that says 204 means it, to all',
  () => answers(server, '/no-content', () => plain(204)))

// Datastar's may be an action, which is not to be repeated.
test('a handler in which something failed: 500, but an EventSource is told to come back',
    async () => {
  await answers(server, '/failing', client => is_event_source(client) ? come_back : plain(500),
    { check: told_when })
})

for (const status of [403, 404, 503])
  test(`sse_fail ${status} is ${status}, to all`,
    () => answers(server, `/refused/${status}`, () => plain(status)))

test('a stream that could not be opened: 500, but those who ask for events come back', async () => {
  await answers(server, '/unopened', client => asks_for_events(client) ? come_back : plain(500),
    { check: told_when })
})

test('a view over max_views: 503, but those who ask for events come back', async () => {
  const watcher = await listen(server, '/view/1')
  await until(() => watcher.last, 'the first view')
  const chosen = clients.filter(({ method }) => method === 'GET')
  await answers(server, '/view/2', client => asks_for_events(client) ? come_back : plain(503),
    { chosen, check: told_when })
  watcher.close()
})

// A test with a server of its own, with room for so many connections, all of them taken.
const test_when_full = (name, room, fn) => test(name, async () => {
  const full = await Server.start('asan/asks', { args: [String(room)] })
  const inside = await Promise.all(Array.from({ length: room }, () => listen(full, '/stream/open')))
  try {
    await fn(full, inside)
  } finally {
    await full.stops()
  }
})

test_when_full('over max_connections: 503 and a close, but those who ask for events come back', 2,
    async (full, inside) => {
  await answers(full, '/text',
    client => asks_for_events(client) ? come_back : plain_and_closed(503), { check: told_when })
  inside.forEach(stream => stream.close())
  await until(async () => { // there is room again
    const socket = await full.socket()
    socket.write('GET /text HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n')
    await until(() => socket.closed, 'the reply')
    return socket.got.endsWith('ok')
  }, 'room')
})

test_when_full(
    'a crowd at the door: whoever is not heard out is told no error either, if it asks for events',
    1, async full => {
  for (const version of ['1.1', '1.0']) {
    full.child.kill('SIGSTOP') // all are there before the first one is accepted
    // 64 are heard out at a time
    const crowd = await Promise.all(Array.from({ length: 70 }, () => full.socket()))
    const replies = clients.map(client => ask(full, client, '/text', version))
    await sleep(200)
    full.child.kill('SIGCONT')
    for (const [i, client] of clients.entries()) {
      const reply = await replies[i]
      // a reset beside the last bytes is an end to node
      if (version === '1.0' && asks_for_events(client)) reply.complete = false
      // brings them back, too
      const got = summary(reply), silent = ['nothing', 'ECONNRESET', 'EPIPE'].includes(got)
      const wanted = asks_for_events(client) ? silent ? got : come_back() : plain_and_closed(503)()
      assert.equal(`${client.name}, HTTP/${version}: ${got}`,
        `${client.name}, HTTP/${version}: ${wanted}`)
    }
    for (const socket of crowd) socket.destroy()
    await sleep(50)
  }
})

// ---- streams ------------------------------------------------------------------------------------
const ended = version => `200, events, complete, ${version === '1.1' ? 'kept' : 'closed'}`
// when the head went out nobody knew
const broken = () => '200, events, broken off, closed, but its head says otherwise'
const broken_1_0 = () => '200, events, broken off, closed'
const texts = {
  ended: 'data: one\n\ndata: bye\n\n', closed: 'data: one\n\ndata: bye\n\n',
  step: 'data: one\n\ndata: step\n\ndata: step\n\n', lifetime: 'data: one\n\n',
}

for (const [end, what] of Object.entries(
  { ended: 'sse_stream_end', closed: 'sse_streams_close', step: 'SSE_END' }))
  test(`a stream that the program ends by ${what} is complete, and its connection is kept`,
      async () => {
    await answers(server, `/stream/${end}`, () => ended,
      { check: ({ text }) => assert.equal(text, texts[end]) })
  })

for (const end of ['lifetime', 'slow'])
  test(`a stream that ends for another reason (${end}) breaks off`, async () => {
    const check = ({ text }) => assert(texts[end] === undefined || text === texts[end], text)
    await answers(server, `/stream/${end}`, () => broken, { versions: ['1.1'], check })
    await answers(server, `/stream/${end}`, () => broken_1_0, { versions: ['1.0'], check })
  })

test('what was queued before it breaks off comes whole, to slow readers as well', async () => {
  for (const version of ['1.1', '1.0']) {
    const socket = await server.socket({ read: false }), chunks = []
    let failure, over = false
    socket.on('error', error => { failure = error.code }).on('close', () => { over = true })
    socket.write(
      bytes_of({ method: 'GET', fields: ['Accept: text/event-stream'] }, '/stream/large', version))
    await sleep(300) // its lifetime is over
    socket.on('data', chunk => {
      chunks.push(chunk)
      socket.pause()
      setTimeout(() => socket.resume(), 1)
    })
    await until(() => over, `the end over HTTP/${version}`, 20000)
    const { body, whole } = read_reply(Buffer.concat(chunks).toString('latin1'))
    assert.deepEqual([body.length, body === `data: ${'x'.repeat(4000000)}\n\n`], [4000008, true],
      `over HTTP/${version}`)
    assert.deepEqual([whole, failure],
      version === '1.1' ? [false, undefined] : ['at the close', 'ECONNRESET'])
  }
})
