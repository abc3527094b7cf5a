// The crowd that feed.test.mjs sends to a server, and threads.test.mjs to one built with the thread
// sanitizer.
import assert from 'node:assert/strict'
import http from 'node:http'
import { elements, listen, post, request, sleep, until } from './wire.mjs'

export const watch = (server, count, options) =>
  Promise.all(Array.from({ length: count }, () => listen(server, '/feed', options)))
export const shows = stream => elements(stream.last)
export const all = (streams, html) => streams.every(stream => shows(stream) === html)

// Posts from several connections at once, each kept alive; every post is answered 204.
export async function posts(server, count, connections, text = i => `message ${i}`) {
  let next = 0
  await Promise.all(Array.from({ length: connections }, async () => {
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    while (next < count) {
      const { status, body } = await post(server, '/say', { text: text(next++) }, { agent })
      assert.equal(status, 204, body)
    }
    agent.destroy()
  }))
}

export async function settled(server, streams, timeout_ms = 15000) {
  // a stream knows one line end
  const body = (await request(server, 'GET', '/now')).body.replace(/\r\n?/g, '\n')
  await until(() => all(streams, body), () =>
    `all streams to end on the same state ` +
      `(${streams.filter(stream => shows(stream) !== body).length} of ${streams.length} differ)`,
      timeout_ms)
  return body
}

export async function crowd(server, { clients = 50, messages = 1000, connections = 8 } = {}) {
  const streams = await watch(server, clients)
  await settled(server, streams)
  const before = await server.stats()
  assert.equal(before.streams, clients)
  await posts(server, messages, connections)
  const html = await settled(server, streams)
  assert.equal(html.match(/<p /g).length, Math.min(messages, 50))
  await sleep(300) // nothing may trickle in
  assert(all(streams, html), 'the final state stays')
  const after = await server.stats()
  assert.equal(after.commits - before.commits, messages)
  assert(after.renders - before.renders <= messages,
    `${after.renders - before.renders} renders for ${messages} commits`)
  assert(after.renders > before.renders)
  streams.forEach(stream => stream.close())
  await until(async () => (await server.stats()).streams === 0, 'the streams to be given up')
  return { renders: after.renders - before.renders }
}
