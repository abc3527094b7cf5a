// A pseudo-terminal for tests: what is written to it comes out of .path, as from a serial port. Its
// other side is held by a perl of its own, since node cannot open one.
import { spawn } from 'node:child_process'
import { until } from './wire.mjs'

// TIOCSPTLCK and TIOCGPTN of Linux
const script = `
  open(my $pty, '+<', '/dev/ptmx') or die "/dev/ptmx: $!";
  ioctl($pty, 0x40045431, my $no = pack 'i', 0) or die "unlock: $!";
  ioctl($pty, 0x80045430, my $n = pack 'i', 0) or die "number: $!";
  $| = 1;
  printf "/dev/pts/%d\\n", unpack 'i', $n;
  while (sysread(STDIN, my $bytes, 4096)) { syswrite($pty, $bytes) }`

export class Pty {
  static async open() {
    const pty = new Pty()
    pty.child = spawn('perl', ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] })
    let said = ''
    pty.child.stdout.setEncoding('utf8').on('data', text => { said += text })
    process.on('exit', () => pty.child.kill())
    for (const part of [pty.child, pty.child.stdin, pty.child.stdout]) part.unref()
    pty.path = await until(() => /^(.+)\n/.exec(said)?.[1], 'a pseudo-terminal')
    return pty
  }
  write(text) { this.child.stdin.write(text) }
  close() { // and with it the terminal
    this.child.stdin.end()
    return new Promise(done => this.child.once('close', done))
  }
}
