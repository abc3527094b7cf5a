#!/usr/bin/env -S node --test-reporter=./tests/wire/tap.mjs
// The live feed: what many clients see of many commits.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { after, before } from 'node:test'
import { all, crowd, posts, settled, shows, watch } from './feed.mjs'
import { listen, post, request, Server, test, until } from './wire.mjs'

let server
before(async () => { server = await Server.start('asan/server', { args: ['feed.db'] }) })
after(() => server?.stops())

test('the head of the stream', async () => {
  const stream = await listen(server, '/feed')
  assert.equal(stream.status, 200)
  assert.match(stream.headers['content-type'], /^text\/event-stream\b/)
  assert.match(stream.headers['cache-control'], /no-cache/)
  assert.equal(stream.headers['x-accel-buffering'], 'no')
  await until(() => stream.last, 'the present state')
  assert.equal(shows(stream), '<div id="feed"></div>')
  stream.close()
})

test('50 clients, 1,000 posts from 8 connections: one final state, no more renders than commits',
    async t => {
  t.diagnostic(`renders: ${(await crowd(server)).renders}`)
})

test('one commit is one render, for 1 client and for 50', async () => {
  for (const clients of [1, 50]) {
    const streams = await watch(server, clients)
    await settled(server, streams)
    const { renders } = await server.stats()
    for (let i = 0; i < 20; i++) {
      await post(server, '/say', { text: `${clients} clients, ${i}` })
      await settled(server, streams)
    }
    assert.equal((await server.stats()).renders - renders, 20, `${clients} clients`)
    streams.forEach(stream => stream.close())
  }
})

test('nobody watches: commits render nothing', async () => {
  await until(async () => (await server.stats()).streams === 0, 'the streams to be given up')
  const { renders } = await server.stats()
  await posts(server, 20, 2)
  assert.equal((await server.stats()).renders, renders)
})

test('a joiner gets the present state, and text arrives as it was written', async () => {
  const text = '<b>"&\' \u{1F600} \u00e9 %s\r\nsecond line\rthird'
  const [first] = await watch(server, 1)
  await post(server, '/say', { text })
  const html = await settled(server, [first])
  const [second] = await watch(server, 1)
  await until(() => shows(second) === html, 'the joiner to be shown the present state')
  assert.match(html.split('</p>')[0], /&lt;b&gt;&quot;&amp;&#39; \u{1F600} \u00e9 %s/u)
  first.close()
  second.close()
})

test('a row inserted by another process arrives', async () => {
  const streams = await watch(server, 3)
  await settled(server, streams)
  execFileSync('sqlite3',
    [path.join(server.dir, 'feed.db'), "INSERT INTO msgs(txt) VALUES('from the shell')"])
  await until(() => streams.every(stream => shows(stream).includes('from the shell')),
    'the row from the shell', 20000)
  streams.forEach(stream => stream.close())
})

for (const encoding of ['br', 'gzip']) {
  test(`the same through ${encoding}, whenever one joins`, async () => {
    const plain = await watch(server, 1)
    const packed = []
    for (let i = 0; i < 10; i++) {
      packed.push(...await watch(server, 1, { headers: { 'Accept-Encoding': encoding } }))
      await posts(server, 5, 1, n => `round ${i}, ${n}`)
      await settled(server, [...plain, ...packed])
    }
    packed.forEach(stream =>
      assert.ok([encoding, undefined].includes(stream.headers['content-encoding'])))
    ;[...plain, ...packed].forEach(stream => stream.close())
  })
}

test('bad posts are refused and change nothing', async () => {
  const { commits } = await server.stats()
  assert.equal((await post(server, '/say', {})).status, 400)
  assert.equal((await request(server, 'POST', '/say',
    { body: '{"text":', headers: { 'Content-Type': 'application/json' } })).status, 400)
  assert.equal((await request(server, 'GET', '/say')).status, 405)
  assert.equal((await request(server, 'GET', '/nowhere')).status, 404)
  assert.equal((await server.stats()).commits, commits)
})

test('a topic reaches its subscribers and nobody else', async () => {
  const [a, b, other] =
    await Promise.all(['x', 'x', 'y'].map(topic => listen(server, `/topic/${topic}`)))
  for (const body of ['one', 'two\nlines', ''])
    await request(server, 'POST', '/topic/x?event=news', { body })
  await until(() => a.events.length === 3 && b.events.length === 3, 'three events')
  assert.deepEqual(a.events.map(({ event, data }) => [event, data]),
    [['news', 'one'], ['news', 'two\nlines'], ['news', '']])
  assert.deepEqual(b.events, a.events)
  assert.equal(other.events.length, 0)
  ;[a, b, other].forEach(stream => stream.close())
})

test('silence after a failed database call is 500, for that request alone', async () => {
  const status = async target => (await request(server, 'POST', target)).status
  assert.deepEqual([await status('/quiet'), await status('/wrong'), await status('/quiet'),
    await status('/wrong/said'), await status('/quiet')],
    [204, 500, 204, 200, 204])
})

test('a mistake made while the loop runs ends the call, not the server', async () => {
  assert.equal((await request(server, 'GET', '/twice')).body, '[-3,-3]')
  assert.equal((await request(server, 'POST', '/quiet')).status, 204)
})
