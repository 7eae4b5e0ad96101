// gorilla/websocket, which offers compression with server_no_context_takeover only: with and
// without, resumes, closing.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/gorilla/websocket"
)

const messages = 1200
const deflate = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"

type message struct {
	MessageType string `json:"message_type"`
	Offset      *int64 `json:"offset"`
	Data        struct {
		LeafCert struct {
			AllDomains []string `json:"all_domains"`
		} `json:"leaf_cert"`
	} `json:"data"`
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// The messages of a client over all its connections: each offset once, in order, no hole.
type offsets struct {
	last  int64
	count int
}

func (seen *offsets) take(text []byte) {
	var update message
	check(json.Unmarshal(text, &update))
	if update.MessageType == "gap" {
		if seen.count > 0 {
			panic(fmt.Sprintf("after %d: %s", seen.last, text))
		}
		return
	}
	if update.MessageType == "heartbeat" {
		// All up to there has been sent: it is the last message's.
		if seen.count > 0 && (update.Offset == nil || *update.Offset != seen.last) {
			panic(fmt.Sprintf("after %d: %s", seen.last, text))
		}
		return
	}
	if update.MessageType != "certificate_update" || update.Offset == nil || update.Data.LeafCert.AllDomains == nil {
		panic(string(text))
	}
	if seen.count > 0 && *update.Offset != seen.last+1 {
		panic(fmt.Sprintf("offset %d after %d", *update.Offset, seen.last))
	}
	seen.last = *update.Offset
	seen.count++
}

func open(compressed bool, since int64) *websocket.Conn {
	dialer := websocket.Dialer{EnableCompression: compressed, HandshakeTimeout: 30 * time.Second}
	url := fmt.Sprintf("ws://%s/?since=%d", os.Getenv("ADDRESS"), since)
	socket, response, err := dialer.Dial(url, http.Header{})
	check(err)
	expected := ""
	if compressed {
		expected = deflate
	}
	if agreed := response.Header.Get("Sec-WebSocket-Extensions"); agreed != expected {
		panic(fmt.Sprintf("%q instead of %q", agreed, expected))
	}
	return socket
}

// Reads messages, and comes back after the last whenever it has read some.
func checkStream(compressed bool) {
	var seen offsets
	for connection := 1; seen.count < messages; connection++ {
		socket := open(compressed, seen.last)
		if compressed {
			// The messages of a client may be compressed as well.
			check(socket.WriteMessage(websocket.TextMessage, []byte("text from a client is ignored")))
		}
		for wanted := seen.count + connection*connection; seen.count < wanted && seen.count < messages; {
			_, text, err := socket.ReadMessage()
			check(err)
			seen.take(text)
		}
		socket.Close()
	}
}

// Until the server goes away, which must be with close code 1001.
func stay() {
	sockets := []*websocket.Conn{open(true, 0), open(false, 0)}
	fmt.Print("!")
	for _, socket := range sockets {
		var err error
		for err == nil {
			_, _, err = socket.ReadMessage()
		}
		if !websocket.IsCloseError(err, websocket.CloseGoingAway) {
			panic(err)
		}
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "stay" {
		stay()
		return
	}
	checkStream(true)
	checkStream(false)
}
