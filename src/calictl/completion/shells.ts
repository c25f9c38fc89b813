/** How each shell asks `calictl complete`, which prints a candidate a line, or `:files`. */
export const completionScripts = {
  bash: `# bash completion of calictl; source <(calictl completion bash)
_calictl() {
  local IFS=$'\\n' line cur="\${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=()
  [ "$cur" = "=" ] && cur=
  while read -r line; do
    case "$line" in
      :files)
        compopt -o filenames 2>/dev/null || :
        COMPREPLY+=($(compgen -f -- "$cur"))
        ;;
      *=)
        compopt -o nospace 2>/dev/null || :
        COMPREPLY+=("$line")
        ;;
      *) COMPREPLY+=("$line") ;;
    esac
  done < <(calictl complete -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _calictl calictl
`,
  zsh: `#compdef calictl
# zsh completion of calictl; source <(calictl completion zsh), or save it as _calictl in a folder of $fpath
_calictl() {
  local -a candidates
  candidates=("\${(@f)$(calictl complete -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ "\${candidates[1]}" == ":files" ]]; then
    _files
  elif [[ -n "\${candidates[1]}" ]]; then
    compset -P '--*='
    compadd -Q -- "\${candidates[@]}"
  fi
}
if [ "\${funcstack[1]}" = "_calictl" ]; then
  _calictl "$@"
else
  compdef _calictl calictl
fi
`,
  fish: `# fish completion of calictl; calictl completion fish | source
function __calictl_candidates
  set -l words (commandline -opc)
  set -l candidates (calictl complete -- $words[2..-1] (commandline -ct) 2>/dev/null)
  if test "$candidates[1]" = ":files"
    __fish_complete_path (commandline -ct)
  else
    string match -v "" -- $candidates
  end
end
complete -c calictl -f -a "(__calictl_candidates)"
`,
} as const;
