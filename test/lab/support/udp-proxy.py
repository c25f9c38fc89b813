"""A peer that is not ours: carries packets of a TUN device in UDP as flannel's udp backend does, to one other end."""
import fcntl, os, select, socket, struct, sys

device, own, other, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", device.encode(), IFF_TUN | IFF_NO_PI))
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind((own, port))
print("ready", flush=True)
while True:
    readable, _, _ = select.select([tun, wire], [], [])
    if tun in readable:
        packet = os.read(tun, 65535)
        if packet[0] >> 4 == 4:
            wire.sendto(packet, (other, port))
    if wire in readable:
        os.write(tun, wire.recv(65535))
