// Package relay passes questions of name resolution on to whoever answers the node's. Docker's own name server listens
// at 127.0.0.11 of the container and cannot be reached from pods, which have networks of their own.
package relay

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"time"
)

// How long one name server may take before the next is asked.
const patience = 3 * time.Second

// Questions and answers over UDP are no longer than this.
const longest = 65535

// Serve answers at an address, for example "10.95.0.1:53", until the context ends.
func Serve(ctx context.Context, address string, upstream []string) error {
	datagrams, err := net.ListenPacket("udp", address)
	if err != nil {
		return err
	}
	streams, err := net.Listen("tcp", address)
	if err != nil {
		datagrams.Close()
		return err
	}
	context.AfterFunc(ctx, func() {
		datagrams.Close()
		streams.Close()
	})
	ended := make(chan error, 2)
	go func() { ended <- serveDatagrams(datagrams, upstream) }()
	go func() { ended <- serveStreams(streams, upstream) }()
	err = errors.Join(<-ended, <-ended)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// Upstream reads the name servers of a resolver's configuration, as `host:port`.
func Upstream(file string) ([]string, error) {
	content, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer content.Close()
	var found []string
	lines := bufio.NewScanner(content)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) >= 2 && fields[0] == "nameserver" {
			found = append(found, net.JoinHostPort(fields[1], "53"))
		}
	}
	return found, lines.Err()
}

func serveDatagrams(datagrams net.PacketConn, upstream []string) error {
	for {
		question := make([]byte, longest)
		length, client, err := datagrams.ReadFrom(question)
		if err != nil {
			return err
		}
		go func() {
			answer, err := ask(question[:length], upstream)
			if err != nil {
				slog.Warn("no name server answered", "error", err)
				return
			}
			// A client that has gone away asks again if it still wants to know.
			_, _ = datagrams.WriteTo(answer, client)
		}()
	}
}

func ask(question []byte, upstream []string) ([]byte, error) {
	failure := errors.New("the node has no name server")
	for _, server := range upstream {
		answer, err := askOne(question, server)
		if err == nil {
			return answer, nil
		}
		failure = err
	}
	return nil, failure
}

func askOne(question []byte, server string) ([]byte, error) {
	connection, err := net.DialTimeout("udp", server, patience)
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := connection.Write(question); err != nil {
		return nil, err
	}
	answer := make([]byte, longest)
	length, err := connection.Read(answer)
	return answer[:length], err
}

// serveStreams is for answers that are too long for a datagram.
func serveStreams(streams net.Listener, upstream []string) error {
	for {
		client, err := streams.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer client.Close()
			for _, address := range upstream {
				server, err := net.DialTimeout("tcp", address, patience)
				if err != nil {
					continue
				}
				exchange(client, server)
				return
			}
		}()
	}
}

// exchange copies both ways until either side has nothing more to say, or is silent for too long.
func exchange(client, server net.Conn) {
	defer server.Close()
	limit := time.Now().Add(2 * patience)
	_ = client.SetDeadline(limit)
	_ = server.SetDeadline(limit)
	done := make(chan struct{}, 2)
	for _, pair := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(pair[0], pair[1])
			done <- struct{}{}
		}()
	}
	<-done
}
