#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Four processes on one port and one SQLite file (examples/processes.c): whoever comes back, to
// whichever of them, goes on exactly where it was, while one after the other is killed.
// EVENTS=10000 SEED=7 for more, or for the same again.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { listen, request, Server, sleep, test, until } from './wire.mjs'

const events = Number(process.env.EVENTS ?? 2000)
const seed = Number(process.env.SEED ?? Date.now() % 1000000)
let state = seed
const random = n => { // Lehmer's generator
  state = (state * 48271 + 11) % 2147483647
  return state % n
}

const parent = pid => {
  try {
    return Number(/\) \S (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, 'latin1'))[1])
  } catch { return 0 }
}
const children = server =>
  readdirSync('/proc').map(Number).filter(pid => pid && parent(pid) === server.pid)
const sql = (server, statement) => JSON.parse(
  execFileSync('sqlite3', ['-json', path.join(server.dir, 'processes.db'), statement]))

// A page that comes back: at once, to whichever process the system chooses.
function follow(server, over) {
  const client = { ids: [], gaps: 0, comes: 0, counts: '' }
  const run = async () => {
    while (!over.now) {
      const headers = client.ids.length ? { 'Last-Event-ID': String(client.ids.at(-1)) } : {}
      let stream
      try { stream = await listen(server, '/feed?lastEventId=0', { headers }) } catch {
        await sleep(10)
        continue
      }
      client.comes++
      client.stream = stream
      let taken = 0
      const take = () => {
        for (; taken < stream.events.length; taken++) {
          const { event, data, id } = stream.events[taken]
          if (event === 'message') client.ids.push(Number(id))
          else if (event === 'counts') client.counts = data
          else client.gaps++
        }
      }
      await until(() => (take(), stream.closed || over.now), 'the end', 120000)
      take()
      stream.close()
    }
  }
  client.done = run()
  return client
}

test(`four processes, ${events} events, one killed again and again (SEED=${seed})`, async t => {
  const server = await Server.start('processes'), over = { now: false }
  t.after(() => { over.now = true })
  await until(() => children(server).length === 4, 'the four')
  const clients = Array.from({ length: 12 }, () => follow(server, over))
  await until(() => clients.every(({ comes }) => comes), 'all to be there')
  const asked = { n: 0, tries: 0 }
  const press = async () => { // the next one, until somebody has taken it
    while (asked.n < events) {
      const key = asked.n++
      for (;;) {
        asked.tries++
        try {
          const { status } = await request(server, 'POST', `/press?key=${key}`, { agent: false })
          assert.equal(status, 204)
          break
        } catch (error) {
          if (!error.code?.startsWith('ECONN')) throw error
          await sleep(5)
        }
      }
    }
  }
  const killed = []
  const kill = async () => {
    for (let i = 1; i <= 3; i++) {
      await until(() => asked.n >= events * i / 4, 'a quarter of them', 300000)
      const all = children(server), victim = all[random(all.length)]
      killed.push(victim)
      process.kill(victim, 'SIGKILL')
      await until(() => !children(server).includes(victim) && children(server).length === 4,
        'its successor')
    }
  }
  const leave = async () => { // pages go by themselves as well
    while (asked.n < events) {
      await sleep(20)
      clients[random(clients.length)].stream?.close()
    }
  }
  await Promise.all([press(), press(), press(), press(), kill(), leave()])
  const rows = sql(server, 'SELECT id, key FROM presses ORDER BY id')
  assert.deepEqual(rows.map(({ key }) => Number(key)).sort((a, b) => a - b),
    Array.from({ length: events }, (_, i) => i))
  const last = rows.at(-1).id, total = counts => [...counts.matchAll(/<td>\d+<td>(\d+)/g)]
    .reduce((sum, [, n]) => sum + Number(n), 0)
  await until(() => clients.every(({ ids, counts }) => ids.at(-1) === last &&
    total(counts) === events), 'all to have all', 30000)
  over.now = true
  await Promise.all(clients.map(({ done }) => done))
  const taken = sql(server, 'SELECT pid, count(*) n FROM presses GROUP BY pid')
  t.diagnostic(`${asked.tries} posts for ${events} presses, taken by ${taken.length} processes; ` +
    `${clients.reduce((n, { comes }) => n + comes, 0)} streams; killed ${killed.length}`)
  for (const { ids, gaps } of clients) {
    assert.deepEqual(ids, rows.map(({ id }) => id))
    assert.equal(gaps, 0)
  }
  assert(taken.length >= 4)
  assert.equal(killed.length, 3)
  await server.stops()
}, 240000)

test('the processes end with their parent, whatever ends it', async () => {
  for (const signal of ['SIGTERM', 'SIGKILL']) {
    const server = await Server.start('processes')
    await until(() => children(server).length === 4, 'the four')
    const { stderr } = await server.stop({ signal }) // waits for all of them
    assert.doesNotMatch(stderr, /still running/)
  }
})
