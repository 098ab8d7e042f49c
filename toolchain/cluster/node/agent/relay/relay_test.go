package relay

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// server answers every question with its own name before the question, over UDP and TCP.
func server(t *testing.T, name string) string {
	t.Helper()
	streams, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	datagrams, err := net.ListenPacket("udp", streams.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		streams.Close()
		datagrams.Close()
	})
	go func() {
		for {
			question := make([]byte, 512)
			length, client, err := datagrams.ReadFrom(question)
			if err != nil {
				return
			}
			_, _ = datagrams.WriteTo(append([]byte(name+":"), question[:length]...), client)
		}
	}()
	go func() {
		for {
			client, err := streams.Accept()
			if err != nil {
				return
			}
			question := make([]byte, 512)
			length, _ := client.Read(question)
			_, _ = client.Write(append([]byte(name+":"), question[:length]...))
			client.Close()
		}
	}()
	return streams.Addr().String()
}

func free(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func askRelay(t *testing.T, network, relay string) string {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		answer, err := exchangeOnce(network, relay)
		if err == nil {
			return answer
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", network, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func exchangeOnce(network, relay string) (string, error) {
	connection, err := net.Dial(network, relay)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	_ = connection.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := connection.Write([]byte("who")); err != nil {
		return "", err
	}
	answer := make([]byte, 512)
	length, err := connection.Read(answer)
	if err == io.EOF {
		err = nil
	}
	return string(answer[:length]), err
}

func TestQuestionsReachTheFirstNameServerThatAnswers(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	relay := free(t)
	ended := make(chan error, 1)
	go func() { ended <- Serve(ctx, relay, []string{free(t), server(t, "second")}) }()
	for _, network := range []string{"udp", "tcp"} {
		if answer := askRelay(t, network, relay); answer != "second:who" {
			t.Errorf("%s: got %q", network, answer)
		}
	}
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("got %v at the end", err)
	}
}

func TestNameServersAreReadFromTheResolversConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "resolv.conf")
	text := "# by Docker\nsearch example\nnameserver 127.0.0.11\nnameserver ::1\noptions ndots:0\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := Upstream(file)
	if err != nil || !slices.Equal(found, []string{"127.0.0.11:53", "[::1]:53"}) {
		t.Errorf("got %v, %v", found, err)
	}
}
