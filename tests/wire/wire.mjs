// What the wire and browser tests share: a server as a child process, raw sockets, requests, an
// event stream read by the letter of the specification (WHATWG HTML 9.2.6), and what /proc tells of
// the server.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import https from 'node:https'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { test as node_test } from 'node:test'
import zlib from 'node:zlib'

export const root = fileURLToPath(new URL('../../', import.meta.url))
export const sleep = ms => new Promise(done => setTimeout(done, ms))

// A test that hangs fails after ten minutes; a file that hangs ends after twenty. SLOW=20, or 1,
// for emulated machines: both after two hours. A test that fails ends the servers it started, so
// that no stream of theirs keeps the file from its end.
export const patience = process.env.SLOW ? Math.max(5, Number(process.env.SLOW)) : 1
export const test = (name, fn, more_ms = 0) =>
  node_test(name, { timeout: patience > 1 ? 7200000 : 600000 + more_ms }, async t => {
    const others = new Set(servers)
    let passed = false
    t.signal.addEventListener('abort', () => {
      if (passed) return
      for (const server of servers) if (!others.has(server)) server.child.kill('SIGKILL')
    })
    await fn(t)
    passed = true
  })

// A test about a part of the library. WITHOUT=MACRO: by that it has been left out of the server.
export const test_of = (macro, name, fn) => process.env.WITHOUT !== macro ? test(name, fn)
  : node_test(name, { skip: `${macro} leaves that out` }, fn)
const servers = new Set(), dirs = new Set() // also those of servers that were stopped and kept
process.on('exit', () => {
  servers.forEach(({ child }) => child.kill('SIGKILL'))
  dirs.forEach(dir => rmSync(dir, { recursive: true, force: true }))
})
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1))
setTimeout(() => { console.error('# its time is over'); process.exit(1) },
  patience > 1 ? 7200000 : 1200000).unref()

// A time in which an idle machine does something: a busy one gives each process its share.
export const busy = ms => ms * patience * (1 + os.loadavg()[0] / os.cpus().length)

// Waits until condition() is truthy and returns its value.
export async function until(condition, what, timeout_ms = 60000) {
  for (const start = Date.now(); ;) {
    const value = await condition(), waited = Date.now() - start
    if (value) return value
    if (waited > busy(timeout_ms))
      throw new Error(`waited ${waited} ms for ${typeof what === 'function' ? what() : what}`)
    await sleep(Math.min(10 + waited / 10, 100))
  }
}

// Whether anything accepts connections on a port.
export const answers = port => new Promise(done => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); done(true) })
    .on('error', () => done(false))
})

// A port of 127.0.0.1 that nobody else gets while this process lives: it is below those that Linux
// gives to whoever asks for any, and of processes that run tests the one has it whose is the port
// PORTS above it.
const PORTS = 10000, LEAST_PORT = 12000
const taken = port => new Promise(done => { // the listener; null: somebody has it
  const listener = net.createServer().once('error', () => done(null))
    .listen(port, '127.0.0.1', () => done(listener)).unref()
})
export async function free_port() {
  for (;;) {
    const port = LEAST_PORT + randomInt(PORTS), claim = await taken(port + PORTS)
    const probe = claim && await taken(port)
    if (probe) return new Promise(done => probe.close(() => done(port)))
    claim?.close()
  }
}

// A program that serves, started in a directory of its own; it prints its address, or listens on
// the port given here. stop() ends it by its process id and answers how it ended: { code, signal,
// stderr }. A sanitizer complains by a code other than 0.
export class Server {
  static async start(program, { args = [], env = {}, port, input = 'ignore' } = {}) {
    const server = new Server()
    // the same with another build: poll.t; PLAIN: also for those without a sanitizer
    if (process.env.SERVERS) program = program.replace(/^asan\b/, process.env.SERVERS)
    if (process.env.PLAIN) program = program.replace(/^(?=[^/]*$)/, process.env.PLAIN + '/')
    Object.assign(server, { program, args, input, listens_at: port,
      env: { PORT: String(await free_port()), ...env },
      dir: mkdtempSync(path.join(os.tmpdir(), 'sse-')) })
    dirs.add(server.dir)
    await server.#spawn()
    return server
  }

  async #spawn() {
    this.stdout = this.stderr = ''
    const program = path.resolve(root, 'build', this.program)
    const child = this.child = spawn(program, this.args, {
      cwd: this.dir,
      env: { ...process.env, ASAN_OPTIONS: `detect_leaks=1:${process.env.ASAN_OPTIONS ?? ''}`,
        TSAN_OPTIONS: 'halt_on_error=1', PATIENCE: String(patience), ...this.env },
      stdio: [this.input, 'pipe', 'pipe'],
    })
    servers.add(this)
    this.pid = child.pid
    this.ended = new Promise(done => {
      child.once('error', error => { this.stderr += error; done({ code: -1 }) })
      child.once('close', (code, signal) => done({ code, signal }))
    })
    let over = false
    this.ended.then(() => { over = true })
    child.stderr.setEncoding('utf8').on('data', text => { this.stderr += text })
    child.stdout.setEncoding('utf8').on('data', text => { this.stdout += text })
    // a test that failed must not wait for its server
    for (const part of [child, child.stdout, child.stderr]) part.unref()
    await until(async () => over || (this.listens_at ? await answers(this.listens_at)
      : this.stdout.includes('\n')), `${this.program} to listen`)
    if (over) throw new Error(`${this.program} ended at once: ${this.stderr}`)
    this.port = this.listens_at ?? Number(/http:\/\/127\.0\.0\.1:(\d+)/.exec(this.stdout)[1])
    this.url = `http://127.0.0.1:${this.port}`
  }

  async stop({ signal = 'SIGTERM', timeout_ms = 30000, keep = false } = {}) {
    timeout_ms = busy(timeout_ms)
    this.child.kill(signal)
    const late = setTimeout(() => {
      this.stderr += `\nstill running ${timeout_ms} ms after ${signal}`
      this.child.kill('SIGKILL')
    }, timeout_ms)
    const end = await this.ended
    clearTimeout(late)
    servers.delete(this)
    if (!keep) rmSync(this.dir, { recursive: true, force: true })
    return { ...end, stderr: this.stderr }
  }

  // as a program should, with nothing for the sanitizers to say; log lines about bad peers are fine
  async stops(options) {
    const { code, signal, stderr } = await this.stop(options)
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, stderr)
    assert.doesNotMatch(stderr, /Sanitizer|runtime error|still running/)
  }

  // In the same directory, on the same port; meanwhile(): what happens while it is away.
  async restart(signal, { away_ms = 0, meanwhile = () => sleep(away_ms), env = {} } = {}) {
    const end = await this.stop({ signal, keep: true })
    await meanwhile()
    this.env = { ...this.env, ...env }
    await this.#spawn()
    return end
  }

  async stats() { return JSON.parse((await request(this, 'GET', '/stats')).body) }

  #status(field) {
    return Number(new RegExp(`^${field}:\\s+(\\d+)`,
      'm').exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'))[1])
  }
  rss_kb() { return this.#status('VmRSS') }
  wakeups() { return this.#status('voluntary_ctxt_switches') }
  cpu_ms() { // user and system; the kernel counts in ticks of 10 ms
    const field = readFileSync(`/proc/${this.pid}/stat`, 'utf8').replace(/^.*\) /, '').split(' ')
    return (Number(field[11]) + Number(field[12])) * 10
  }

  // A bare socket: what arrives collects in .got (latin1); .closed once it is over.
  async socket({ read = true } = {}) {
    const socket = net.connect(this.port, '127.0.0.1')
    socket.got = ''
    socket.on('error', () => {})
    if (read) socket.setEncoding('latin1').on('data', text => { socket.got += text })
    await new Promise((done, failed) => socket.once('connect', done).once('error', failed))
    return socket
  }
}

// By TLS if the server has .tls, for which any certificate will do.
const start = (server, options, reply) => (server.tls ? https : http)
  .request({ host: '127.0.0.1', port: server.port, rejectUnauthorized: false, ...options }, reply)

// One request, the reply read whole: { status, headers, body }. partial: a body may lack its end,
// .complete tells.
export function request(server, method, target,
    { headers = {}, body, agent, partial = false } = {}) {
  return new Promise((done, failed) => {
    const req = start(server, { method, path: target, headers, agent }, res => {
      const chunks = []
      const end = () => done({ status: res.statusCode, headers: res.headers,
        body: Buffer.concat(chunks).toString(), complete: res.complete })
      res.on('data', chunk => chunks.push(chunk)).on('end', end)
        .on('error', error => partial ? end() : failed(error))
    })
    req.on('error', failed)
    req.end(body)
  })
}

export const post = (server, target, signals, options = {}) =>
  request(server, 'POST', target, { ...options, body: JSON.stringify(signals),
    headers: { 'Content-Type': 'application/json', ...options.headers } })

// The text of a stream in pieces of any size; calls event({ event, data, id }) and knows
// .lastEventId and .retry.
export class EventParser {
  constructor(event) {
    this.event = event
    this.rest = ''
    this.first = true
    this.lastEventId = ''
    this.#reset()
  }
  #reset() { this.data = null; this.type = '' }
  push(text) {
    if (this.first && text) { this.first = false; text = text.replace(/^\uFEFF/, '') }
    this.rest += text
    // A CR at the very end may be half of a CR LF: it waits.
    for (let end; (end = /\r\n|\n|\r(?!$)/.exec(this.rest));) {
      this.#line(this.rest.slice(0, end.index))
      this.rest = this.rest.slice(end.index + end[0].length)
    }
  }
  #line(line) {
    if (line === '') {
      if (this.data !== null)
        this.event({ event: this.type || 'message', data: this.data, id: this.lastEventId })
      return this.#reset()
    }
    const [, name, value] = /^([^:]*)(?:: ?)?(.*)$/su.exec(line)
    if (name === 'data') this.data = this.data === null ? value : this.data + '\n' + value
    else if (name === 'event') this.type = value
    else if (name === 'id' && !value.includes('\0')) this.lastEventId = value
    else if (name === 'retry' && /^\d+$/.test(value)) this.retry = Number(value)
  }
}

// An open event stream: .events, .last, .closed, .complete (its body came to an end); close() hangs
// up. headers may ask for an encoding, which is then decoded.
export function listen(server, target, { headers = {} } = {}) {
  return new Promise((done, failed) => {
    const stream = { events: [], last: null, closed: false, complete: false, bytes: 0 }
    const parser = new EventParser(event => { stream.last = event; stream.events.push(event) })
    const req = start(server, { path: target,
      headers: { Accept: 'text/event-stream', ...headers }, agent: false }, res => {
      const decoders = { br: zlib.createBrotliDecompress, gzip: zlib.createGunzip }
      const decode = decoders[res.headers['content-encoding']]
      const body = decode ? res.pipe(decode()) : res
      stream.status = res.statusCode
      stream.headers = res.headers
      stream.parser = parser
      res.on('data', chunk => { stream.bytes += chunk.length })
      const over = () => { stream.closed = true }
      res.on('error', () => {}).on('close', () => {
        stream.complete = res.complete
        if (!decode) return over()
        if (res.complete) body.on('close', over) // what it still holds comes first
        else body.flush(() => setImmediate(over))
        if (body.destroyed) over()
      })
      body.setEncoding('utf8').on('data', text => parser.push(text))
        .on('error', error => { stream.error = error })
      done(stream)
    })
    req.on('error', error => { stream.closed = true; failed(error) })
    req.end()
    stream.close = () => req.destroy()
  })
}

// The HTML that a Datastar element patch carries, null for other events.
export const elements = event => event?.event !== 'datastar-patch-elements' ? null
  : event.data.split('\n').filter(line => line.startsWith('elements ')).map(line => line.slice(9))
    .join('\n')
