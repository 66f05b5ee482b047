module my_sink

go 1.17
