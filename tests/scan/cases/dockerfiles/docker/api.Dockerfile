FROM golang:1.22-alpine
ARG VERSION=9
FROM alpine:$VERSION
