# holystone as an image: the one file over any image that has Python 3.11 or later. After `make dist`:
#
#   docker build --build-arg BASE=YOUR-PYTHON-IMAGE --tag holystone .
#   docker run --rm -v /var/run/docker.sock:/var/run/docker.sock -v holystone:/var/lib/holystone holystone plan
#
# The volume keeps what is remembered between runs: history, leases, when what was used.
ARG BASE
FROM ${BASE}
COPY dist/holystone.pyz /usr/local/bin/holystone
ENV HOLYSTONE_STATE=/var/lib/holystone
ENTRYPOINT ["/usr/local/bin/holystone"]
CMD ["plan"]
