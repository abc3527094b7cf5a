// A Redis of a test's own, on a unix socket in a directory of its own; what it acknowledged it has
// on the disk.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { until } from './wire.mjs'

const find = name => {
  try { return execFileSync('sh', ['-c', `command -v ${name}`], { encoding: 'utf8' }).trim() }
  catch { return null }
}
const program = find('redis-server') ?? find('redis-check-rdb') // the same program by another name

const resp = words => `*${words.length}\r\n` +
  words.map(word => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')

export class Redis {
  static async start() {
    const redis = new Redis()
    redis.dir = mkdtempSync(path.join(os.tmpdir(), 'sse-redis-'))
    redis.sock = path.join(redis.dir, 'redis.sock')
    process.on('exit', () => {
      redis.child?.kill('SIGKILL')
      rmSync(redis.dir, { recursive: true, force: true })
    })
    await redis.again()
    return redis
  }

  async again() {
    assert(program, 'redis is not installed: see tests/setup.sh')
    this.child = spawn(program, ['--port', '0', '--unixsocket', this.sock, '--dir', this.dir,
      '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'],
    { argv0: 'redis-server', stdio: 'ignore' })
    this.child.unref()
    await until(() => this.commands([['PING']]).then(reply => reply === '+PONG\r\n', () => false),
      'Redis to listen')
  }

  kill() {
    this.child.ref()
    return new Promise(done => {
      this.child.once('close', done)
      this.child.kill('SIGKILL')
    })
  }

  // Short replies as they came, which may be fewer if it ends.
  commands(list) {
    return new Promise((done, failed) => {
      let got = ''
      const socket = net.connect(this.sock, () => socket.end(list.map(resp).join('')))
      socket.setEncoding('utf8').on('data', text => { got += text })
        .on('close', () => done(got)).on('error', failed)
    })
  }

  entries() { // of the log: [id, text]; redis-cli prints id, who, poster, text, hello
    const lines = execFileSync('redis-cli', ['-s', this.sock, 'XRANGE', 'chat', '-', '+'],
      { encoding: 'utf8', maxBuffer: 1 << 26 }).split('\n')
    return Array.from({ length: Math.floor(lines.length / 5) }, (_, i) =>
      [lines[5 * i], lines[5 * i + 4]])
  }
}
