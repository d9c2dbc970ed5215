# shellcheck shell=bash
# Functions that the scripts here share. A script first changes to the root of the repository. Before it calls an API,
# it sets `api` (the URL) and `work` (a folder). The last answer's body is `$work/body`; a command's output may be in
# `$work/out`.

export PATH="$PWD/target/tools/bin:$PATH" SAM_CLI_TELEMETRY=0

# need_node: ends the script if Node.js is too old for the packages that the scripts use.
need_node() {
    node -e 'const [major, minor] = process.versions.node.split(".").map(Number);
        process.exit(major > 20 || (major === 20 && minor >= 19) ? 0 : 1)' ||
        { echo 'Node.js 20.19 or later is needed'; exit 1; }
}

# npm_install NAME: installs the packages of .ci/NAME/package.json in target/NAME.
npm_install() {
    need_node
    mkdir -p "target/$1"
    cp ".ci/$1/package.json" "target/$1/"
    npm install --prefix "target/$1" --no-audit --no-fund --no-package-lock --silent
}

# pip_install FOLDER ARGUMENT...: installs packages in a virtual environment.
pip_install() {
    local folder=$1
    shift
    [ -x "$folder/bin/pip" ] || python3 -m venv "$folder"
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# start PORT LOG COMMAND...: starts a server and waits until it answers. Ends the script if it does not. The
# server's process is $!.
start() {
    local port=$1 log=$2
    shift 2
    if (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
        echo "something else listens on port $port"
        exit 1
    fi
    "$@" >"$log" 2>&1 &
    for _ in $(seq 300); do # half a minute: machines are shared
        curl --silent --output /dev/null "http://127.0.0.1:$port" && return
        kill -0 $! 2>/dev/null || break
        sleep 0.1
    done
    echo "nothing answers at port $port:"
    cat "$log"
    exit 1
}

# end_jobs: ends what the script started. For `trap end_jobs EXIT`.
end_jobs() {
    # shellcheck disable=SC2046 # each process is a word
    if kill $(jobs -p) 2>/dev/null; then wait; fi
}

# call PATH OPTION...: calls the API with curl and prints the answer's status.
call() {
    local path=$1
    shift
    # shellcheck disable=SC2154 # the script sets them
    curl --silent --show-error --max-time 600 --output "$work/body" --write-out '%{http_code}' "$api$path" "$@"
}

# post PATH DOCUMENT: calls the API and prints the answer's status.
post() { call "$1" -H 'content-type: application/json' -d "$2"; }

# member NAME: prints a string of the last answer.
member() { sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/" "$work/body"; }

# expect WHAT GOT WANTED: ends the script with the last answer if it is not the one that is wanted.
expect() {
    echo "$1: $2"
    [ "$2" != "$3" ] || return 0
    echo "expected $3:"
    cat "$work/body" "$work/out" 2>/dev/null || true
    exit 1
}

password='correct horse battery staple'
# register EMAIL, login EMAIL, refresh TOKEN: print the answer's status.
register() {
    post /register "{\"email\":\"$1\",\"password\":\"$password\",\"first_name\":\"Ada\",\"last_name\":\"Lovelace\"}"
}
login() { post /login "{\"email\":\"$1\",\"password\":\"$password\"}"; }
refresh() { post /refresh "{\"refresh_token\":\"$1\"}"; }

# session ADDRESS EMAIL: does what docs/tutorial.md does up to the logout, except the password change.
session() {
    local api=$1 email=$2 authorization refresh
    expect "register at $api" "$(register "$email")" 201
    expect "login at $api" "$(login "$email")" 200
    authorization="authorization: Bearer $(member access_token)"
    refresh=$(member refresh_token)
    expect "profile at $api" "$(call /profile -H "$authorization")" 200
    expect "change at $api" "$(call /profile -X PATCH -H "$authorization" \
        -H 'content-type: application/json' -d '{"first_name":"Augusta"}')" 200
    expect "profile without a token at $api" "$(call /profile)" 401
    expect "refresh at $api" "$(refresh "$refresh")" 200
    refresh=$(member refresh_token)
    expect "sessions at $api" "$(call /sessions -H "$authorization")" 200
    expect "logout at $api" "$(post /logout "{\"refresh_token\":\"$refresh\"}")" 204
    expect "refresh after it at $api" "$(refresh "$refresh")" 401
}
