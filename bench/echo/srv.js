// SPDX-License-Identifier: MIT
// Node's net module.  PORT SIZE
require('net').createServer({ noDelay: true }, (s) => {
  s.on('data', (d) => s.write(d));
  s.on('error', () => {});
}).listen(+process.argv[2], '127.0.0.1', 512);
