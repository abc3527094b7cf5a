// Requests as bytes, and replies read by the letter of RFC 9112.
import { sleep, until } from './wire.mjs'

// The first reply in text and what follows it; null while it is incomplete. A HEAD reply has no
// body whatever it says.
export function split_reply(text, method = 'GET') {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return null
  const [line, ...fields] = text.slice(0, end).split('\r\n')
  const headers = {}
  for (const field of fields) {
    const name = field.slice(0, field.indexOf(':')).toLowerCase()
    const value = field.slice(field.indexOf(':') + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  const status = Number(/^HTTP\/1\.1 (\d{3}) [\x20-\x7e]+$/.exec(line)?.[1])
  const none = method === 'HEAD' || status < 200 || status === 204 || status === 304
  const length = none ? 0 : Number(headers['content-length'] ?? NaN)
  const rest = text.slice(end + 4)
  if (Number.isNaN(length)) return { status, headers, body: rest, rest: '', open: true }
  return rest.length < length ? null
    : { status, headers, body: rest.slice(0, length), rest: rest.slice(length) }
}

export function split_replies(text, methods = []) {
  const replies = []
  for (let reply; text && (reply = split_reply(text, methods[replies.length]));) {
    replies.push(reply)
    text = reply.rest
  }
  return { replies, rest: text }
}

// Sends pieces, one write each, and waits for `count` final replies or the end. Answers { replies,
// closed, rest }.
export async function talk(server, pieces,
    { count = 1, methods, end = false, gap_ms = 1, timeout_ms } = {}) {
  const socket = await server.socket()
  socket.setNoDelay(true)
  const list = Array.isArray(pieces) ? pieces : [pieces]
  for (let i = 0; i < list.length; i++) {
    socket.write(Buffer.from(list[i], 'latin1'))
    if (i + 1 < list.length) await sleep(gap_ms)
  }
  if (end) socket.end()
  const finals = () =>
    split_replies(socket.got, methods).replies.filter(reply => reply.status >= 200)
  await until(() => socket.closed || finals().length >= count,
    () => `${count} replies, got ${JSON.stringify(socket.got)}`, timeout_ms)
  await sleep(5)
  const result =
    { ...split_replies(socket.got, methods), closed: socket.readableEnded || socket.closed }
  socket.destroy()
  return result
}

export const get = (target, ...fields) =>
  ['GET ' + target + ' HTTP/1.1', 'Host: localhost', ...fields, '', ''].join('\r\n')
export const put = (method, target, body, ...fields) =>
  [method + ' ' + target + ' HTTP/1.1', 'Host: localhost', 'Content-Length: ' + body.length,
    ...fields, '', body].join('\r\n')
