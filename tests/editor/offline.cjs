// Loaded before the language server: who connects to anything is ended, and the test with it.
const net = require("node:net");
net.Socket.prototype.connect = () => {
  process.stderr.write("the language server tried to connect to the network\n");
  process.exit(97);
};
