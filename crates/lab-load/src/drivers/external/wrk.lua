done = function(summary, latency, requests)
  local errors = summary.errors
  io.write("lab-wrk-1\n")
  io.write("duration_us ", summary.duration, "\n", "requests ", summary.requests, "\n", "bytes ", summary.bytes, "\n")
  io.write("connect ", errors.connect, "\n", "read ", errors.read, "\n", "write ", errors.write, "\n")
  io.write("status ", errors.status, "\n", "timeout ", errors.timeout, "\n")
  for i = 1, #latency do
    local us, count = latency(i)
    io.write("us ", us, " ", count, "\n")
  end
end
