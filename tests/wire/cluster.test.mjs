#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// Three nodes of examples/cluster.c behind nginx, one Redis, 200 pages that roam, while nodes and
// Redis are killed, frozen and started again: each page sees each entry of the log once, in its
// order. CLUSTER_EVENTS=10000 takes longer; SEED repeats a run, as far as timing lets it.
import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before } from 'node:test'
import { nginx } from '../browser/proxies.mjs'
import { Redis } from './redis.mjs'
import { free_port, request, Server, sleep, test, until } from './wire.mjs'

const total = Number(process.env.CLUSTER_EVENTS ?? 3000), pages = 200
const seed = Number(process.env.SEED ?? Date.now() % 1000000)
let state = seed
const random = () => { // mulberry32
  state = state + 0x6D2B79F5 | 0
  let t = Math.imul(state ^ state >>> 15, 1 | state)
  t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
  return ((t ^ t >>> 14) >>> 0) / 4294967296
}
const between = (least, most) => least + random() * (most - least)

// ---- the nodes ----

let redis, nodes = [], front

before(async () => {
  redis = await Redis.start()
  const ports = [await free_port(), await free_port(), await free_port(), await free_port()]
  const port = ports.pop()
  nodes = await Promise.all(ports.map((PORT, i) =>
    Server.start('cluster', { env: { NODE: `${i + 1}`, PORT: `${PORT}`, REDIS: redis.sock } })))
  front = await nginx(port, `
  upstream nodes { ${ports.map(p => `server 127.0.0.1:${p} fail_timeout=1s;`).join(' ')} }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://nodes; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_set_header Host localhost; proxy_buffering off; proxy_read_timeout 60s;
    }
  }`)
  front.port = port
})

after(async () => {
  Page.all.forEach(page => page.close())
  await front?.stop()
  for (const node of nodes) await node.stops()
  await redis?.kill()
})

// ---- pages ----

class Page { // as an EventSource: whole events count, it comes back with the last id
  static all = []
  constructor(name, id = '') {
    Page.all.push(this)
    Object.assign(this, { name, id, got: [], gaps: 0, streams: 0, ids: new Set() })
    this.open()
  }

  open() {
    let rest = ''
    this.req = http.get({ host: '127.0.0.1', port: front.port, path: `/feed?me=${this.name}`,
      headers: { Accept: 'text/event-stream', 'Accept-Encoding': 'identity',
        ...this.id && { 'Last-Event-ID': this.id } }, agent: false }, res => {
      if (res.statusCode !== 200) return this.again(res.resume())
      this.streams++
      res.setEncoding('utf8').on('data', text => {
        const events = (rest + text).split('\n\n')
        rest = events.pop()
        events.forEach(event => this.take(event))
      }).on('error', () => {}).on('close', () => this.again())
    }).on('error', () => this.again())
  }

  take(event) {
    const id = /^id: (.*)$/m.exec(event)?.[1]
    if (id) this.id = id
    if (/^event: gap$/m.test(event)) this.gaps++
    if (/^event: said$/m.test(event)) this.got.push(id)
    if (/^event: node$/m.test(event)) this.ids.add(/^data: (.*)$/m.exec(event)[1])
  }

  again() {
    if (this.over || this.timer) return
    this.timer = setTimeout(() => { this.timer = null; this.open() }, between(20, 400))
  }

  async roam(until_over) { // leaves and comes back, elsewhere
    while (!until_over()) {
      await sleep(between(200, 4000))
      this.req.destroy()
      if (random() < 0.1) await sleep(between(500, 3000))
    }
  }

  close() { this.over = true; this.req.destroy() }
}

// ---- what is said ----

const say = (server, text) => request(server, 'POST', '/?me=poster', {
  body: new URLSearchParams({ text }).toString(),
  headers: { 'Content-Type': 'application/x-www-form-urlencoded' } })

test(`${total} events to ${pages} pages that roam, through crashes`, async () => {
  const told = [] // what was acknowledged
  let over = false, next = 0, refused = 0
  console.error(`# cluster: SEED=${seed}`)
  const crowd = Array.from({ length: pages }, (_, i) => new Page(`p${i}`, '0-0'))
  const roaming = crowd.map(page => page.roam(() => over))
  const writing = (async () => { // another program, straight to Redis
    while (next < total) {
      const texts = Array.from({ length: between(1, 30) }, () => `e${next++}`)
      const replies = await redis.commands(texts.map(text =>
        ['XADD', 'chat', '*', 'who', 'shell', 'text', text])).catch(() => '')
      const ids = replies.match(/^\$\d+\r\n\d+-\d+\r\n/gm) ?? []
      told.push(...texts.slice(0, ids.length))
      await sleep(between(0, 2 * 10000 * texts.length / total)) // some ten seconds
    }
  })()
  const posting = (async () => {
    while (next < total) {
      const text = `e${next++}`
      const { status } = await say(front, text).catch(() => ({ status: 0 }))
      if (status === 204) told.push(text)
      else refused++
      await sleep(between(0, 100))
    }
  })()
  const crash = async () => {
    await sleep(1000)
    await nodes[1].restart('SIGKILL', { away_ms: 700 })
    await sleep(500)
    await redis.kill()
    const reply = await until(async () => {
      const answer = await say(nodes[0], 'nobody will read this')
      return answer.status === 503 && answer
    }, 'a node to notice')
    assert.equal(reply.body, 'Redis cannot be reached.\n')
    await sleep(500)
    await redis.again()
    await sleep(1000)
    nodes[2].child.kill('SIGSTOP')
    await sleep(2000)
    nodes[2].child.kill('SIGCONT')
    await sleep(500)
    await nodes[0].restart('SIGKILL')
  }
  await Promise.all([writing, posting, crash()])
  over = true
  await Promise.all(roaming)
  const late = Array.from({ length: 20 }, (_, i) => new Page(`late${i}`, '0-0'))
  await until(() => say(front, 'the end').then(r => r.status === 204, () => false), 'the end')
  const log = redis.entries(), ids = log.map(([id]) => id).join(' ')
  const texts = log.map(([, text]) => text)
  const all = [...crowd, ...late]
  await until(() => all.every(page => page.id === log.at(-1)[0]), () =>
    `all to have the last entry (${all.filter(page => page.id !== log.at(-1)[0]).length} lack it)`,
  60000)
  for (const page of all) {
    assert.equal(page.gaps, 0, `${page.name}: no gap`)
    assert.equal(page.got.length, log.length, `${page.name}: as many as the log has`)
    assert(page.got.join(' ') === ids, `${page.name}: each entry once, in the order of the log`)
  }
  for (const text of told)
    assert(texts.includes(text), `${text} was acknowledged, and is in the log`)
  const streams = crowd.reduce((sum, page) => sum + page.streams, 0)
  const everywhere = crowd.filter(page => page.ids.size === 3).length
  console.error(`# cluster: ${log.length} entries, ${streams} streams, ` +
    `${everywhere} pages at all nodes, ${refused} posts refused`)
  assert(streams > 2 * pages && everywhere > pages / 4, 'pages did roam')
  const here = async node => (await request(node, 'GET', '/')).body.match(/<ul>(.*)<\/ul>/s)[1]
  await until(async () => {
    const names = await Promise.all(nodes.map(here))
    return names.every(html => all.every(page => html.includes(`<li>${page.name} <`)))
  }, 'who is there, at every node', 60000)
}, 180000 * Math.ceil(total / 5000))
