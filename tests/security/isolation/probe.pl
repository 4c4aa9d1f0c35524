# Run inside a container. Connects to each "HOST PORT tcp|udp TEXT" of stdin, all at once, and prints "HOST PORT tcp|udp: answer".
use strict;
use IO::Socket::INET;
use Socket;
$| = 1;
my @children;
while (my $line = <STDIN>) {
    chomp $line;
    my ($host, $port, $protocol, $text) = split / /, $line, 4;
    my $pid = fork();
    if ($pid) { push @children, $pid; next; }
    my $answer;
    if (!defined inet_aton($host)) { $answer = "no such name"; }
    else {
        my $socket;
        local $SIG{ALRM} = sub { print "$host $port $protocol: ", ($socket && $protocol eq "tcp" ? "open, silent" : "no: silent"), "\n"; exit 0; };
        alarm 3;
        $socket = IO::Socket::INET->new(PeerAddr => $host, PeerPort => $port, Proto => $protocol);
        if (!$socket) { $answer = "no: $!"; }
        else {
            $text =~ s/\\r\\n/\r\n/g;
            syswrite $socket, $text;
            my $got = sysread $socket, my $data, 4000;
            $data =~ s/[\r\n].*//s;
            $answer = defined $got ? "open: $data" : "no: $!";
        }
    }
    print "$host $port $protocol: $answer\n";
    exit 0;
}
waitpid $_, 0 for @children;
