# Run inside a container. Connects to a link-local address of its first network: ADDRESS PORT. Prints what is answered, or why nothing is.
use strict;
use Socket qw(:all);
my ($address, $port) = @ARGV;
open(my $file, "<", "/sys/class/net/eth0/ifindex") or die "no network";
my $where = pack("S n N a16 L", AF_INET6, $port, 0, inet_pton(AF_INET6, $address), <$file> + 0);
socket(my $udp, AF_INET6, SOCK_DGRAM, 0) or die "no IPv6: $!";
send($udp, "x", 0, $where);
socket(my $tcp, AF_INET6, SOCK_STREAM, 0) or die "no IPv6: $!";
local $SIG{ALRM} = sub { print "silent\n"; exit 0 };
alarm 3;
if (connect($tcp, $where)) { sysread($tcp, my $said, 100); print "open: $said"; } else { print "no: $!\n"; }
