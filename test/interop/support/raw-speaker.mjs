// A BGP peer without a mind: dials an address from another one, sends octets (hex arguments, one message each) and then
// only listens.
import { connect } from "node:net";

const [host, localAddress, ...messages] = process.argv.slice(2);
const socket = connect({ host, localAddress, port: 179 });
socket.once("connect", () => socket.write(Buffer.from(messages.join(""), "hex")));
socket.on("data", () => {});
socket.once("error", (error) => {
  console.error(error.message);
  process.exitCode = 1;
});
