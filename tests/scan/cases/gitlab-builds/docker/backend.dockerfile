ARG PYTHON
FROM python:${PYTHON}
RUN --mount=type=cache,target=/root/.cache pip install .
