# docker compose up --build: see compose.yml. Every step is a plain command that the suite runs as well (tests/platform/test_container.py).
FROM python:3.13-slim-bookworm

WORKDIR /app
COPY requirements-installer.txt requirements.txt ./
COPY realtime_ai/bootstrap.py realtime_ai/
RUN python3 realtime_ai/bootstrap.py requirements.txt

COPY . .
RUN mkdir -p var && chown 10001:10001 var

USER 10001:10001
ENV HOME=/tmp HOST=0.0.0.0 PYTHONUNBUFFERED=1
EXPOSE 8000
HEALTHCHECK --start-period=60s --interval=10s \
    CMD python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/readyz', timeout=5)"
CMD [".venv/bin/python", "-m", "realtime_ai.supervisor", "serve"]
