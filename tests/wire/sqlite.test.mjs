#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// SQLite behind streams: rows as events, commits from everywhere, kill -9, slow storage.
import assert from 'node:assert/strict'
import { execFile, execFileSync } from 'node:child_process'
import { after, before } from 'node:test'
import { renameSync, statSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { listen, request, root, Server, sleep, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/sqlite', { args: ['a.db'] }) })
after(() => server?.stops())

const data = stream => stream.events.map(event => event.data)
const ids = stream => stream.events.map(event => Number(event.id))
const act = async (server, target, body) =>
  assert((await request(server, 'POST', target, { body })).status < 300, target)
const insert = (server, body, more = '') => act(server, `/insert?body=${body}${more}`)
const settle = (streams, count) =>
  until(() => streams.every(stream => stream.events.length >= count),
  () => `${count} events each, got ${streams.map(stream => stream.events.length)}`)
const place = async stream => (await until(() => stream.parser.lastEventId, 'an id'))
const resume = (server, id, target = '/rows') =>
  listen(server, target, { headers: { 'Last-Event-ID': String(id) } })
const close = (...streams) => streams.forEach(stream => stream.close())

// Another process commits; resolves when it is done.
const other = (server, count, ...sql) =>
  promisify(execFile)(path.join(root, 'build/clang/sqlite'),
    [path.join(server.dir, 'a.db'), String(count), ...sql])

test('rows become events, whoever inserts them; a newcomer gets what comes later', async () => {
  await insert(server, 'before')
  const stream = await listen(server, '/rows')
  await place(stream)
  await insert(server, 'ours', '&count=3')
  await other(server, 2, "INSERT INTO outbox (name, body) VALUES ('named', 'theirs')")
  await settle([stream], 5)
  assert.deepEqual(data(stream), ['ours', 'ours', 'ours', 'theirs', 'theirs'])
  assert.deepEqual(stream.events.map(event => event.event),
    ['message', 'message', 'message', 'named', 'named'])
  ids(stream).forEach((id, i) => assert.equal(id, ids(stream)[0] + i))
  const again = await resume(server, stream.events[1].id)
  await settle([again], 3)
  await insert(server, 'later')
  await settle([stream, again], 4)
  assert.deepEqual(data(again), ['ours', 'theirs', 'theirs', 'later'])
  close(stream, again)
})

test('a client that saw no row yet misses none', async () => {
  const stream = await listen(server, '/rows')
  const id = await place(stream)
  close(stream)
  await insert(server, 'missed')
  const again = await resume(server, id)
  await settle([again], 1)
  assert.deepEqual(data(again), ['missed'])
  close(again)
})

// B2
test('what is rolled back is no event, also where a transaction spans turns', async () => {
  const stream = await listen(server, '/rows')
  await place(stream)
  await insert(server, 'never', '&undo=1')
  await act(server, '/begin?body=never')
  await sleep(50)
  await act(server, '/end?undo=1')
  await act(server, '/begin?body=late')
  await sleep(50)
  assert.equal(stream.events.length, 0)
  await act(server, '/end')
  await settle([stream], 1)
  assert.deepEqual(data(stream), ['late'])
  close(stream)
})

test('ids that are unknown or gone: a gap, and all rows there are', async () => {
  const [{ n, low }] = JSON.parse(execFileSync('sqlite3',
    ['-json', path.join(server.dir, 'a.db'), 'SELECT count(*) n, min(id) low FROM outbox']))
  const unknown = await Promise.all(['x', '-1', '99999999', '18446744073709551616', '12345678-1',
    '%27'].map(id => resume(server, id)))
  await settle(unknown, n + 1)
  for (const stream of unknown) assert.equal(data(stream)[0], '{"reason":"unknown"}')
  await act(server, '/exec', `DELETE FROM outbox WHERE id = ${low}`)
  const gone = await resume(server, low)
  const all = await resume(server, 0)
  await settle([gone, all], n - 1)
  assert.equal(data(gone)[0], '{"reason":"expired"}')
  assert.deepEqual(data(gone).slice(1), data(all))
  close(...unknown, gone, all)
})

// Everybody who listens gets the gap event and then the rows, and goes on with their ids.
const anew = async (streams, bodies) => {
  await until(() => streams.every(stream => data(stream).at(-1) === bodies.at(-1) &&
    stream.events.some(event => event.event === 'gap')), 'the new rows')
  for (const stream of streams) {
    const from = stream.events.findIndex(event => event.event === 'gap')
    assert.deepEqual(data(stream).slice(from), ['{"reason":"unknown"}', ...bodies])
    assert.deepEqual(ids(stream).slice(from + 1), bodies.map((_, i) => i + 1))
    close(stream)
  }
}

test('an outbox that is emptied and counts from 1 again: a gap, and its new rows', async () => {
  const reset = "DELETE FROM outbox; DELETE FROM sqlite_sequence WHERE name = 'outbox'"
  const rows = count => Array.from({ length: count },
    (_, i) => `INSERT INTO outbox (body) VALUES ('new ${i}')`).join(';')
  const ways = [
    [3, (server, n) => act(server, '/exec', `${reset}; ${rows(n)}`)], // in one transaction
    // in two
    [2, (server, n) =>
      act(server, '/exec', reset).then(() => sleep(20)).then(() => act(server, '/exec', rows(n)))],
    // by another process
    [4, (server, n) =>
      execFileSync('sqlite3', [path.join(server.dir, 'a.db'), `${reset}; ${rows(n)}`])],
    [2, (server, n) =>
      act(server, '/exec', `DELETE FROM outbox; UPDATE sqlite_sequence SET seq = 0; ${rows(n)}`)],
    // the sequence is as it was
    [1, (server) => act(server, '/exec', 'DELETE FROM outbox').then(() => sleep(20))
      .then(() => act(server, '/exec', "INSERT INTO outbox (id, body) VALUES (1, 'new 0')"))],
  ]
  for (const [n, way] of ways) {
    await insert(server, 'old', '&count=8')
    const streams = [await listen(server, '/rows'), await listen(server, '/rows')]
    await place(streams[1])
    const old = Number(streams[0].parser.lastEventId)
    await way(server, n)
    await anew(streams, Array.from({ length: n }, (_, i) => `new ${i}`))
    const away = await resume(server, old)
    await settle([away], n + 1)
    assert.equal(data(away)[0], '{"reason":"unknown"}')
    close(away)
  }
})

test('one that reads slowly gets the gap and the new rows as well', async () => {
  const slow = await server.socket({ read: false })
  slow.pause()
  slow.write('GET /rows?queue=65536 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await server.stats()).streams >= 1, 'it')
  for (let i = 0; i < 8; i++) await insert(server, 'x'.repeat(5000), '&count=300') // 12 MB
  await sleep(300) // until its socket takes no more
  await act(server, '/exec',
    "DELETE FROM outbox; DELETE FROM sqlite_sequence; INSERT INTO outbox (body) VALUES " +
    "('a'), ('b')")
  await sleep(50)
  slow.setEncoding('latin1').on('data', text => { slow.got += text })
  slow.resume()
  await until(() => slow.got.includes('data: b'), 'the end')
  const end = slow.got.slice(slow.got.indexOf('event: gap'))
  const gap = 'event: gap\ndata: {"reason":"unknown"}\n\n'
  assert.match(end, new RegExp(`^${gap}\\s*\\S*\\s*id: 1\ndata: a\n\n\\s*\\S*\\s*id: 2\ndata: b\n`))
  assert.equal((await server.stats()).closed_slow, 0)
  slow.destroy()
})

test('rows that are deleted once they were sent, the newest too, are no gap', async () => {
  await insert(server, 'old', '&count=9')
  const stream = await listen(server, '/rows')
  const last = Number(await place(stream))
  await act(server, '/exec', `DELETE FROM outbox WHERE id <> ${last - 3}`)
  await sleep(20)
  await act(server, '/exec', `DELETE FROM outbox`)
  await sleep(20)
  await insert(server, 'next', '&count=3')
  await settle([stream], 3)
  await act(server, '/exec', `DELETE FROM outbox WHERE id > ${last + 2}`)
  await sleep(20)
  await insert(server, 'more')
  await settle([stream], 4)
  assert.deepEqual(stream.events.map(event => [event.event, Number(event.id)]),
    [1, 2, 3, 4].map(n => ['message', last + n]))
  close(stream)
})

test('another file takes the place of the database: a gap, and the rows that it has', async () => {
  const replaced = await Server.start('asan/sqlite', { args: ['a.db'] })
  const file = path.join(replaced.dir, 'a.db')
  await insert(replaced, 'old', '&count=6')
  execFileSync('sqlite3', [file, '.backup next.db'], { cwd: replaced.dir })
  execFileSync('sqlite3', ['next.db',
    "DELETE FROM outbox; DELETE FROM sqlite_sequence; INSERT INTO outbox (body) VALUES " +
    "('a'), ('b')"], { cwd: replaced.dir })
  const streams = [await resume(replaced, 0), await listen(replaced, '/rows')]
  await settle([streams[0]], 6)
  await place(streams[1])
  renameSync(path.join(replaced.dir, 'next.db'), file)
  await until(() => streams.every(stream => data(stream).at(-1) === 'b'), 'its rows')
  await insert(replaced, 'c')
  await anew(streams, ['a', 'b', 'c'])
  assert.match(replaced.stderr, /a.db was replaced/)
  assert.match(replaced.stderr, /topic rows .* anew/)
  assert.equal(`${execFileSync('sqlite3', [file, 'PRAGMA integrity_check'])}`, 'ok\n')
  await replaced.stops()
})

test('a failed call that a reply says nothing of is in the log, once a second', async () => {
  const before = server.stderr.length, began = Date.now()
  for (let i = 0; i < 200; i++)
    assert.equal((await request(server, 'POST', '/unchecked')).status, 303)
  for (let i = 0; i < 5; i++) assert.equal((await request(server, 'POST', '/checked')).status, 400)
  await until(() => server.stderr.slice(before).includes('INSERT INTO nowhere'), 'the warning')
  const lines = server.stderr.slice(before).split('\n').filter(line => line.includes('nowhere'))
  assert.equal(lines[0],
    'sse.h: warning: POST /unchecked: a database call failed, though its reply says 303: ' +
    'a.db: no such table: nowhere [INSERT INTO nowhere VALUES (?)]')
  assert(lines.length <= 2 + (Date.now() - began) / 1000, `${lines.length} lines`)
  assert(!server.stderr.includes('secret text') && !server.stderr.includes('nowhere_either'))
})

test('greeting, a row that is no event, what is published otherwise', async () => {
  const stream = await listen(server, '/rows?topic=greeted')
  await settle([stream], 2)
  await sleep(30)
  assert.equal(stream.events.length, 2)
  const rows = await listen(server, '/rows')
  await place(rows)
  await insert(server, 'bad', '&name=a%0Ab')
  await insert(server, 'good')
  await act(server, '/publish/rows', 'aside')
  await settle([rows], 2)
  assert.deepEqual(data(rows), ['good', 'aside'])
  assert.equal(rows.events[1].id, rows.events[0].id)
  close(stream, rows)
})

test('one id per stream: no other topic with ids, no pattern', async () => {
  const answers = async target => {
    const stream = await listen(server, target)
    await until(() => stream.events.some(event => event.event === 'answers'), 'answers')
    close(stream)
    return stream.events.find(event => event.event === 'answers').data
  }
  const state = /^0 -\d+$/
  assert.match(await answers('/rows?with=kept'), state)
  assert.match(await answers('/rows?with=greeted'), state)
  assert.match(await answers('/rows?topic=kept&with=rows'), state)
  assert.match(await answers('/rows?pattern=*'), state)
  const plain = await listen(server, '/rows?with=plain')
  await place(plain)
  await act(server, '/publish/plain', 'x')
  await settle([plain], 1)
  close(plain)
})

test('one that reads slowly goes on in the table and is not closed', async () => {
  const body = 'x'.repeat(5000)
  const fast = await listen(server, '/rows')
  await place(fast)
  const slow = await server.socket({ read: false })
  slow.pause()
  slow.write('GET /rows?queue=65536 HTTP/1.1\r\nHost: localhost\r\n\r\n')
  await until(async () => (await server.stats()).streams >= 2, 'both')
  for (let i = 0; i < 8; i++) await insert(server, `${i}${body}`, '&count=300') // 12 MB
  await insert(server, 'end')
  await settle([fast], 2401)
  slow.setEncoding('latin1').on('data', text => { slow.got += text })
  slow.resume()
  await until(() => slow.got.includes('data: end'), 'the end')
  const got = [...slow.got.matchAll(/^id: (\d+)\ndata: /gm)].map(match => Number(match[1]))
  assert.deepEqual(got, ids(fast))
  assert.equal((await server.stats()).closed_slow, 0)
  slow.destroy()
  close(fast)
})

test('events that are kept in the same database render no view', async () => {
  const stream = await listen(server, '/view')
  await settle([stream], 1)
  // its thread opens a connection of its own: what that commits first may be anybody's
  await act(server, '/publish/kept', 'first')
  await sleep(300)
  let renders, more
  // a commit that takes its thread 20 ms is taken for anybody's
  for (let tries = 0; tries < 50 && more !== 0; tries++) {
    renders = (await server.stats()).renders
    for (let i = 0; i < 5; i++) await act(server, '/publish/kept', String(i))
    await sleep(50)
    more = (await server.stats()).renders - renders
    renders += more
  }
  assert.equal(more, 0)
  await act(server, '/commit')
  await until(async () => (await server.stats()).renders > renders, 'a commit does')
  close(stream)
})

const kills = Number(process.env.KILLS ?? 20)
test(`killed ${kills} times while rows are inserted: each client has each row once, ` +
    `the database is whole`, async () => {
  const killed = await Server.start('asan/sqlite', { args: ['a.db'] })
  const clients = Array.from({ length: 4 }, () => ({ got: [], id: 0 })), acknowledged = []
  let posted = 0
  const post = async () => { // what was answered must not be lost
    const body = `ours-${++posted}`
    await insert(killed, body, '&count=3')
    acknowledged.push(body)
  }
  for (let round = 0; round <= kills; round++) {
    const streams = await Promise.all(clients.map(client => resume(killed, client.id)))
    const writer = other(killed, 40, "INSERT INTO outbox (body) VALUES ('theirs')")
    const ours = (async () => { for (let i = 0; i < 10; i++) await post() })().catch(() => {})
    if (round < kills) {
      await until(() => streams[0].events.length > Math.random() * 60, 'rows')
      await killed.restart('SIGKILL')
    }
    await Promise.all([writer, ours])
    if (round === kills) {
      const count = Number(
        execFileSync('sqlite3', [path.join(killed.dir, 'a.db'), 'SELECT count(*) FROM outbox']))
      await until(() => streams.every((stream, i) => clients[i].got.length +
        stream.events.length >= count), 'all rows')
      close(...streams)
    }
    await until(() => streams.every(stream => stream.closed), 'the streams to break')
    streams.forEach((stream, i) => {
      clients[i].got.push(...ids(stream))
      clients[i].id = stream.last?.id ?? clients[i].id
    })
    assert.equal(execFileSync('sqlite3', [path.join(killed.dir, 'a.db'), 'PRAGMA integrity_check'])
      .toString(), 'ok\n')
  }
  const all =
    execFileSync('sqlite3', [path.join(killed.dir, 'a.db'), 'SELECT id FROM outbox ORDER BY id'])
    .toString().trim().split('\n').map(Number)
  for (const client of clients) assert.deepEqual(client.got, all)
  const counts = execFileSync('sqlite3', [path.join(killed.dir, 'a.db'),
    "SELECT body, count(*) FROM outbox WHERE body LIKE 'ours-%' GROUP BY body"])
  const kept = new Map(counts.toString().trim().split('\n').map(line => line.split('|')))
  assert.deepEqual(acknowledged.filter(body => kept.get(body) !== '3'), [],
    'what was answered is there')
  assert.deepEqual([...kept].filter(([, count]) => count !== '3'), [], 'whole')
  await killed.stops()
})

test('10,000 commits from four processes and a thread while 100 watch: ' +
    'the last state is the database\'s', async t => {
  const busy = await Server.start('clang/sqlite', { args: ['a.db'] })
  const streams = await Promise.all(Array.from({ length: 100 }, () => listen(busy, '/view')))
  await settle(streams, 1)
  let wal = 0
  const watch =
    setInterval(() => { wal = Math.max(wal, statSync(path.join(busy.dir, 'a.db-wal')).size) }, 20)
  const from = Date.now()
  await act(busy, '/thread?count=2000')
  await Promise.all([1, 2, 3, 4].map(() => other(busy, 2000)))
  await until(async () => (await request(busy, 'GET', '/now')).body.startsWith('10000 '),
    'the thread', 30000)
  clearInterval(watch)
  const last = (await request(busy, 'GET', '/now')).body
  await until(() => streams.every(stream => stream.last.data === last), 'the last state')
  t.diagnostic(`${Date.now() - from} ms, ${(await busy.stats()).renders} renders, ` +
    `${wal >> 10} KB of WAL at most`)
  assert(wal < 32 << 20, `${wal} bytes of WAL`)
  await sleep(1500)
  const wakeups = busy.wakeups(), cpu = busy.cpu_ms(), rest = Date.now()
  await sleep(2000)
  const woken = busy.wakeups() - wakeups, slept = Date.now() - rest
  assert(woken <= 6 * slept / 1000, `${woken} wakeups in ${slept} ms at rest`)
  assert(busy.cpu_ms() - cpu <= slept / 10)
  close(...streams)
  await busy.stops()
})

test('an fsync of 200 ms stalls streams where the loop commits, and not where sse_offload does',
    async t => {
  const slow = await Server.start('clang/sqlite',
    { args: ['a.db'], env: { SYNC: 'full', LD_PRELOAD: path.join(root, 'build/slow_fsync.so') } })
  const stream = await listen(slow, '/ticks')
  const longest = async target => { // pause between two events while something commits
    let last = Date.now(), pause = 0, seen = stream.events.length
    const watch = setInterval(() => {
      if (stream.events.length === seen) return
      seen = stream.events.length
      pause = Math.max(pause, Date.now() - last)
      last = Date.now()
    }, 1)
    await sleep(100)
    for (let i = 0; i < 3; i++) await act(slow, target)
    const { renders } = await slow.stats()
    await sleep(900)
    clearInterval(watch)
    return { pause, renders }
  }
  const loop = await longest('/commit')
  let away = null, rounds = 0 // a busy machine pauses streams too, but not every time
  while (rounds++ < 20 && (!away || away.pause >= 190)) away = await longest('/offload')
  t.diagnostic(
    `longest pause: ${loop.pause} ms by a commit on the loop, ${away.pause} ms by sse_offload`)
  assert(loop.pause >= 190, `only ${loop.pause} ms: is fsync slow?`)
  assert(away.pause < 190, `${away.pause} ms`)
  const all = 3 * rounds
  await until(async () => (await request(slow, 'GET', '/now')).body.startsWith(`${all} `),
    'all commits')
  close(stream)
  await slow.stops()
})
