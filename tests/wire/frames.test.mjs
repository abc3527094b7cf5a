#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Shared frames over the wire: readers that join, stall and leave at any time, in every coding and
// both versions of HTTP, decode what was sent, all of it, and reach a clean end.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import net from 'node:net'
import { after, before } from 'node:test'
import zlib from 'node:zlib'
import { EventParser, request, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/frames') })
after(() => server?.stops())

const seconds = Number(process.env.SOAK ?? 6), patience_ms = 180000
let seed = 5
const below = n => (seed = (seed * 1103515245 + 12345) % 2147483648) % 65536 % n

// Checks the hash of an event and that the counters of topics and private events leave nothing out;
// views may.
export function checker() {
  const last = {}
  return {
    last, count: 0, skipped: 0,
    event({ data }) {
      if (data === 'bye') { this.bye = true; return }
      const [, hash, text] = /^([0-9a-f]{64})\n(.*)$/s.exec(data)
      assert.equal(createHash('sha256').update(text).digest('hex'), hash)
      const [, name, number] = /^(\w+) (\d+)\n/.exec(text)
      if (last[name])
        assert(name.startsWith('view') ? +number > last[name] : +number === last[name] + 1,
          `${name} ${number} after ${last[name]}`)
      if (+number > last[name] + 1) this.skipped++
      last[name] = +number
      this.count++
    },
  }
}

// A reader on a bare socket; it takes the reply apart itself: head, chunks, coding, events.
class Reader {
  constructor(query, coding, minor) {
    Object.assign(this, { query, coding, minor, check: checker(), wire: 0, rest: Buffer.alloc(0),
      head: null, whole: minor === 0, over: false, left: 0 })
    this.parser = new EventParser(
      event => { try { this.check.event(event) } catch (error) { this.error ??= error } })
    this.decoder = coding === 'br' ? zlib.createBrotliDecompress() : coding === 'gzip'
      ? zlib.createGunzip() : null
    this.text = new TextDecoder()
    this.decoder?.on('data', bytes => this.parser.push(this.text.decode(bytes, { stream: true })))
      .on('error', error => { this.error ??= error })
    this.ended = this.decoder &&
      new Promise(done => this.decoder.on('end', () => done(true)).on('error', () => done(false)))
    this.socket = net.connect(server.port, '127.0.0.1')
    this.socket.write(
      `GET /mix?${query} HTTP/1.${minor}\r\nHost: localhost\r\nAccept-Encoding: ${coding}\r\n\r\n`)
    this.closed = new Promise(done => this.socket.on('close', () => {
      if (!this.left_early) this.decoder?.end()
      this.over = true
      done()
    }))
    this.socket.on('error', () => {}).on('data', bytes => {
      this.wire += bytes.length
      this.rest = Buffer.concat([this.rest, bytes])
      this.read()
    })
  }

  read() {
    if (!this.head) {
      const end = this.rest.indexOf('\r\n\r\n')
      if (end < 0) return
      this.head = this.rest.subarray(0, end).toString()
      this.rest = this.rest.subarray(end + 4)
      this.chunked = /transfer-encoding: chunked/i.test(this.head)
    }
    if (!this.chunked) { this.body(this.rest); this.rest = Buffer.alloc(0) }
    while (this.chunked && !this.whole) {
      const end = this.rest.indexOf('\r\n')
      if (end < 0) return
      const size = parseInt(this.rest.subarray(0, end).toString(), 16)
      if (this.rest.length < end + 2 + size + 2) return
      this.whole = size === 0
      this.body(this.rest.subarray(end + 2, end + 2 + size))
      this.rest = this.rest.subarray(end + 2 + size + 2)
    }
  }

  body(bytes) {
    if (!bytes.length) return
    if (this.decoder) this.decoder.write(bytes)
    else this.parser.push(this.text.decode(bytes, { stream: true }))
  }

  leave() { this.left_early = true; this.socket.destroy(); this.decoder?.destroy() }
}

const queries = ['views=0', 'views=1', 'views=2', 'views=0123', 'topics=a', 'topics=abc&pattern=1',
  'topics=ab&views=1', 'views=03&private=1',
  'topics=c&private=1', 'topics=b&private=1&own=1', 'views=12&private=1&own=1', 'private=1&own=1',
  'pattern=1&views=012']

function join() {
  const coding = ['br', 'br', 'gzip', 'gzip', 'identity'][below(5)]
  return new Reader(queries[below(queries.length)], coding, below(4) ? 1 : 0)
}

function judge(reader) {
  assert.ifError(reader.error)
  assert.match(reader.head, /^HTTP\/1\.1 200/)
  if (reader.coding !== 'identity')
    assert.match(reader.head, new RegExp(`content-encoding: ${reader.coding}\r\n`, 'i'))
  assert.match(reader.head, /vary: accept-encoding/i)
  assert.equal(reader.chunked, reader.minor === 1)
}

// MS1: what the clients decode is what was sent
test(`${seconds} s of joining, stalling and leaving`, async t => {
  const readers = new Set(), decoded = { br: 0, gzip: 0, identity: 0 }
  let skipped = 0, wire = 0, ended = false
  const done = reader => {
    judge(reader)
    decoded[reader.coding] += reader.check.count
    wire += reader.wire
    skipped += reader.check.skipped
    readers.delete(reader)
  }
  const events = coding => [...readers].reduce((sum, reader) => sum +
    (reader.coding === coding ? reader.check.count : 0), decoded[coding])
  const left_out = () => [...readers].reduce((sum, reader) => sum + reader.check.skipped, skipped)
  // Until the sockets are full, and the server has to leave states out. Some leave meanwhile.
  const stall = async reader => {
    const before = reader.check.last.view2 ?? 0, states = below(60)
    const newest = () => Math.max(...[...readers].map(({ check }) => check.last.view2 ?? 0))
    reader.stays = below(3) > 0
    reader.socket.pause()
    for (let waited = 0; waited < 200 && newest() < before + states && !ended; waited++)
      await sleep(50)
    reader.socket.resume()
    await until(() => reader.over || ended || reader.check.last.view2 > before, 'a state behind it',
      patience_ms)
    reader.stays = false
  }
  // a busy machine takes longer
  const few = () => left_out() <= 10 || Object.keys(decoded).some(coding => events(coding) <= 100)
  for (const end = Date.now() + seconds * 1000;
      Date.now() < end || (Date.now() < end + patience_ms && few()); await sleep(5)) {
    for (const reader of readers)
      if (reader.over && !reader.left_early)
        assert.fail(`the server closed ${reader.query} ${reader.coding}`)
    if (readers.size < 30) readers.add(join())
    const reader = [...readers][below(readers.size)]
    if (below(10) === 0 && reader.head && !reader.stays) { reader.leave(); done(reader) } else if (
      /views=\d?\d?2/.test(reader.query) && !reader.socket.isPaused())
      stall(reader)
  }
  ended = true
  const drawn = JSON.parse((await request(server, 'POST', '/quiet?on=1')).body)
  await sleep(50)
  readers.forEach(reader => reader.socket.resume())
  await until(() => [...readers].every(reader =>
    [...(/views=(\d+)/.exec(reader.query)?.[1] ?? '')].every(n => n === '1' || !drawn[n] ||
    (reader.check.last[`view${n}`] ?? 0) >= drawn[n] || reader.error)),
      'all to see the newest state of their views')
  readers.forEach(judge)
  await request(server, 'POST', '/end')
  await Promise.all([...readers].map(reader => reader.closed))
  for (const reader of readers) {
    if (reader.decoder)
      assert(await reader.ended, `${reader.coding} ${reader.query}: ${reader.error}`)
    assert(reader.whole && reader.check.bye, `${reader.coding} ${reader.query} ended as it should`)
    done(reader)
  }
  await request(server, 'POST', '/quiet?on=0')
  if (process.env.SOAK)
    console.error(`# events: br ${decoded.br}, gzip ${decoded.gzip}, plain ${decoded.identity}; ` +
      `${skipped} states left out for slow readers; ${Math.round(wire / 1024)} KB`)
  assert(skipped > 10, `${skipped} states were left out for slow readers`)
  for (const coding in decoded)
    assert(decoded[coding] > 100, `${decoded[coding]} events in ${coding}`)
}, patience_ms + seconds * 1000)
