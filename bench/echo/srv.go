// SPDX-License-Identifier: MIT
// A goroutine per connection, one P.
package main

import (
	"net"
	"os"
	"runtime"
)

func main() {
	runtime.GOMAXPROCS(1)
	l, err := net.Listen("tcp", "127.0.0.1:"+os.Args[1])
	if err != nil {
		panic(err)
	}
	for {
		c, err := l.Accept()
		if err != nil {
			panic(err)
		}
		go func() {
			b := make([]byte, 65536)
			for {
				n, err := c.Read(b)
				if err != nil {
					c.Close()
					return
				}
				if _, err = c.Write(b[:n]); err != nil {
					return
				}
			}
		}()
	}
}
