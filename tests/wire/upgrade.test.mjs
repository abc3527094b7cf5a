#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// A program that is started anew hands its listeners to the next process: nobody is refused,
// nothing is lost, and those who have to come back do not come at once.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import { listen, request, root, Server, sleep, test, until } from './wire.mjs'

const program = path.join(root, 'build', process.env.SERVERS ?? 'asan', 'upgrade')
const start = (...args) => Server.start('asan/upgrade', { args })
const pids = new Set() // that answered: none of them outlives its test
process.on('exit', () => { for (const pid of pids) if (runs(pid)) process.kill(pid, 'SIGKILL') })
const known = about => { pids.add(about.pid); return about }
const about = async server => known(JSON.parse(
  (await request(server, 'GET', '/', { agent: false })).body))
const runs = pid => {
  try { return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')) } catch { return false }
}

// Starts it anew; answers once the next process serves alone.
async function upgrade(server, ask = about) {
  const before = (await ask(server)).pid
  process.kill(before, 'SIGUSR2')
  await until(() => !runs(before), 'the old process to end', 30000)
  const after = await ask(server)
  assert.notEqual(after.pid, before)
  return after
}

async function stop(server, pid) {
  let end
  server.ended.then(how => { end = how }) // of all of them: they share its stderr
  process.kill(pid, 'SIGTERM')
  const { code, signal } = await until(() => end, 'the last process to end')
  assert.deepEqual({ code, signal }, { code: 0, signal: null }, server.stderr)
  assert.doesNotMatch(server.stderr, /Sanitizer|runtime error/)
}

const clear = server => rmSync(server.dir, { recursive: true, force: true })

// Follows the rows as an EventSource does, but comes back at once.
function follow(server, state) {
  const client = { ids: [], comes: 0, closed_at: [], errors: [] }
  const run = async () => {
    while (!state.over) {
      const headers = client.ids.length ? { 'Last-Event-ID': client.ids.at(-1) } : {}
      let stream
      try { stream = await listen(server, '/rows', { headers }) } catch (error) {
        client.errors.push(`stream ${client.comes}: ${error.code ?? error.message}`)
        await sleep(20)
        continue
      }
      client.comes++
      client.stream = stream
      let taken = 0
      const take = () => {
        for (; taken < stream.events.length; taken++)
          client.ids.push(Number(stream.events[taken].id))
      }
      await until(() => (take(), stream.closed || state.over), 'the end', 60000)
      take()
      assert.equal(stream.complete, false, 'no stream looks finished')
      if (stream.closed) client.closed_at.push(Date.now())
      else stream.close()
    }
  }
  client.done = run()
  return client
}

// Requests and posts, one after the other, until it is over.
function load(server, state, keep) {
  const agent = keep ? new http.Agent({ keepAlive: true, maxSockets: 1 }) : false
  const client = { answers: 0, posted: [], errors: [], idle_closes: 0 }
  const ask = (method, target, body) => new Promise((done, failed) => {
    const req = http.request({ host: '127.0.0.1', port: server.port, method, path: target, agent },
      res => {
        let text = ''
        res.setEncoding('utf8').on('data', part => { text += part })
          .on('end', () => done({ status: res.statusCode, body: text })).on('error', failed)
      })
    req.on('error', error => failed(Object.assign(error, { reused: req.reusedSocket })))
    req.end(body)
  })
  const run = async () => {
    for (let n = 0; !state.over; n++) {
      const key = `${state.keys++}`
      for (;;) {
        try {
          const reply = await (n % 2 ? ask('GET', '/') : ask('POST', '/add', key))
          assert.equal(reply.status, 200, reply.body)
          client.answers++
          if (n % 2 === 0) client.posted.push([key, Number(reply.body)])
          break
        } catch (error) { // a kept connection may be closed while it is idle: RFC 9112, 9.3.1
          if (error.reused) { client.idle_closes++; continue }
          client.errors.push([keep, n, key, error.code ?? error.message])
          break
        }
      }
    }
    if (agent) agent.destroy()
  }
  client.done = run()
  return client
}

// U1
test('five upgrades under load: nobody refused, each post kept once, streams resume', async t => {
  const server = await start()
  const state = { over: false, keys: 0 }
  t.after(() => { state.over = true })
  const streams = Array.from({ length: 40 }, () => follow(server, state))
  await until(() => streams.every(({ comes }) => comes), 'all to be there')
  const loads = [0, 0, 0, 1, 1].map(keep => load(server, state, keep))
  let now = await about(server)
  const { descriptors } = now // when it was started
  const pids = [now.pid]
  for (let i = 0; i < 5; i++) {
    await sleep(200)
    now = await upgrade(server)
    pids.push(now.pid)
    assert.equal(now.descriptors, descriptors + 2, 'a listener and the link, no others')
  }
  assert.equal(new Set(pids).size, 6)
  await sleep(200)
  state.over = true
  await Promise.all([...loads, ...streams].map(({ done }) => done))
  const posted = loads.flatMap(({ posted }) => posted)
  t.diagnostic(`${loads.reduce((n, { answers }) => n + answers, 0)} answers, ${posted.length} ` +
    `posts, ${streams.reduce((n, { comes }) => n + comes, 0)} streams, ` +
    `${loads.reduce((n, { idle_closes }) => n + idle_closes, 0)} idle connections closed`)
  assert.deepEqual([...loads, ...streams].flatMap(({ errors }) => errors), [], server.stderr)
  assert(posted.length > 25)
  const rows = JSON.parse(execFileSync('sqlite3',
    ['-json', path.join(server.dir, 'a.db'), 'SELECT id, body FROM outbox ORDER BY id']))
  assert.deepEqual(posted.sort((a, b) => a[1] - b[1]), rows.map(({ id, body }) => [body, id]))
  for (const { ids, comes } of streams) {
    assert.equal(comes, 6)
    assert(ids.length > 25 && ids.every((id, i) => id === i + 1), `${ids}`)
  }
  await stop(server, now.pid)
  clear(server)
})

test('those who have to come back come spread over time', async t => {
  const ms = 3000, server = await start('127.0.0.1', String(ms))
  const state = { over: false }
  t.after(() => { state.over = true })
  const streams = Array.from({ length: 200 }, () => follow(server, state))
  await until(() => streams.every(({ comes }) => comes), 'all to be there')
  const { pid } = await upgrade(server)
  await until(() => streams.every(({ closed_at }) => closed_at.length), 'all to have left')
  const at = streams.map(({ closed_at }) => closed_at[0]), from = Math.min(...at)
  const slices = Array(10).fill(0)
  for (const time of at) slices[Math.min(9, Math.floor((time - from) / (ms / 10)))]++
  t.diagnostic(`closed in each tenth of the time: ${slices}`)
  assert(Math.max(...slices) <= 150 && slices.filter(Boolean).length >= 4, `${slices}`)
  await until(() => streams.every(({ comes }) => comes === 2), 'all to be back')
  state.over = true
  await Promise.all(streams.map(({ done }) => done))
  await stop(server, pid)
  clear(server)
})

test('what is in flight is answered, and kept connections are told to close', async () => {
  const server = await start('127.0.0.1', '20000'), { pid } = await about(server)
  const view = await listen(server, '/count')
  const ask = (socket, target) => socket.write(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
  const kept = await server.socket(), half = await server.socket(), slow = await server.socket()
  ask(kept, '/')
  await until(() => kept.got.includes(`"pid":${pid},`), 'an answer')
  assert.doesNotMatch(kept.got, /connection: close/i)
  half.write('POST /add HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nha')
  ask(slow, '/slow?ms=1000')
  await sleep(50)
  process.kill(pid, 'SIGUSR2')
  const next = await until(async () => {
    const now = await about(server)
    return now.pid !== pid && now
  }, 'the next process')
  assert(runs(pid))
  kept.got = ''
  ask(kept, '/')
  half.write('lf')
  await until(() => kept.closed && half.closed && slow.closed, 'their ends')
  assert.match(kept.got, /^HTTP\/1.1 200 [^]*connection: close/i)
  assert(kept.got.includes(`"pid":${pid},`), 'the old one answers what comes by its connections')
  assert.match(half.got, /^HTTP\/1.1 200 [^]*\r\n\r\n1$/)
  assert.match(slow.got, /^HTTP\/1.1 200 [^]*at last$/)
  await until(() => view.closed, 'the view to end')
  assert(!view.complete)
  await until(() => !runs(pid), 'the old process to end')
  await stop(server, next.pid)
  clear(server)
})

test('a next process that exits, or hangs: the old one goes on', async () => {
  const server = await start(), { pid } = await about(server)
  const stream = await listen(server, '/rows')
  for (const [how, words] of [['exits', 'ended before it served .*, exit status 7'],
    ['hangs', 'does not serve in time .*, signal 9'], ['exits', 'exit status 7']]) {
    server.stderr = ''
    writeFileSync(path.join(server.dir, how), '')
    process.kill(pid, 'SIGUSR2')
    await until(() => new RegExp(`no upgrade: .*${words}`).test(server.stderr), how)
    assert.equal((await about(server)).pid, pid)
    assert.equal((await request(server, 'POST', '/add', { body: how })).status, 200)
    rmSync(path.join(server.dir, how))
  }
  await until(() => stream.events.length === 3, 'the rows')
  assert(!stream.closed)
  await stop(server, (await upgrade(server)).pid)
  clear(server)
})

test('the old one dies before the next one serves: that one takes over', async () => {
  const server = await start(), { pid } = await about(server)
  writeFileSync(path.join(server.dir, 'waits'), '')
  process.kill(pid, 'SIGUSR2')
  await until(() => /upgrade: process \d+ starts/.test(server.stderr), 'the next one to start')
  process.kill(pid, 'SIGKILL')
  const asked = about(server) // it waits in the queue meanwhile
  rmSync(path.join(server.dir, 'waits'))
  const next = await asked
  assert.notEqual(next.pid, pid)
  process.kill(next.pid, 'SIGTERM')
  await until(() => !runs(next.pid), 'the next one to end')
  assert.doesNotMatch(server.stderr, /Sanitizer|runtime error/)
  clear(server)
})

// U2
test('a unix socket stays where it is until its last server ends', async () => {
  const server = await start('unix:a.sock'), file = path.join(server.dir, 'a.sock')
  const ask = () => new Promise((done, failed) => {
    http.get({ socketPath: file, path: '/', agent: false }, res => {
      let text = ''
      res.setEncoding('utf8').on('data', part => { text += part })
        .on('end', () => done(known(JSON.parse(text)))).on('error', failed)
    }).on('error', failed)
  })
  let last
  for (let i = 0; i < 2; i++) {
    last = await upgrade(server, ask)
    assert(existsSync(file))
  }
  writeFileSync(path.join(server.dir, 'exits'), '')
  process.kill(last.pid, 'SIGUSR2')
  await until(() => server.stderr.includes('exit status 7'), 'the one that exits')
  assert.equal((await ask()).pid, last.pid, 'one that fails does not remove it')
  await stop(server, last.pid)
  assert(!existsSync(file))
  clear(server)
})

test('a socket of a service manager is handed on', async () => {
  const activate = 'my $s = IO::Socket::INET->new(Listen => 64, LocalAddr => "127.0.0.1:0") ' +
    'or die; POSIX::dup2(fileno($s), 9); close($s); POSIX::dup2(9, 3); POSIX::close(9); ' +
    '$ENV{LISTEN_FDS} = 1; $ENV{LISTEN_PID} = $$; exec @ARGV'
  const server = await Server.start('/usr/bin/perl',
    { args: ['-MIO::Socket::INET', '-MPOSIX', '-e', activate, program] })
  assert.match(server.stderr, /of LISTEN_FDS/)
  const { port } = server, { descriptors } = await about(server) // the listener among them
  let now
  for (let i = 0; i < 2; i++) {
    now = await upgrade(server)
    assert.equal(now.descriptors, descriptors + 1)
  }
  assert.equal(server.stderr.match(new RegExp(`port ${port}, of SSE_LISTENERS`, 'g')).length, 2)
  await stop(server, now.pid)
  clear(server)
})
