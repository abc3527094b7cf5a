// A reporter for node's test runner that prove reads as it is: one line a test, what went wrong as
// comments on stderr. (node's own writes error stacks as YAML, at which prove stops reading.)
import { inspect } from 'node:util'

export default async function* (source) {
  let count = 0
  for await (const { type, data } of source) {
    if (type === 'test:diagnostic' && data.nesting > 0) process.stderr.write(`# ${data.message}\n`)
    if (type === 'test:fail') {
      const error = data.details.error.cause ?? data.details.error
      process.stderr.write(
        `${data.name}\n${error?.stack ?? inspect(error)}`.replace(/^/gm, '#   ') + '\n')
    }
    if ((type !== 'test:pass' && type !== 'test:fail') || data.nesting > 0) continue
    const skipped = data.skip === undefined ? '' : ` # SKIP ${data.skip === true ? '' : data.skip}`
    yield `${type === 'test:pass' ? 'ok' : 'not ok'} ${++count} - ` +
      `${data.name.replace(/[#\\]/g, '\\$&')}${skipped}\n`
  }
  yield `1..${count}\n`
}
